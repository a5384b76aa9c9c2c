import { conformRuntime } from '../../../test/conformance/runtime.ts'
import { noRuntime } from './none.ts'

conformRuntime(() => ({ runtime: noRuntime, image: '', keepsApart: false }))

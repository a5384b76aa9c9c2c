/** Runs the example against the server that `culm up` started: npx tsx examples/hpo/run.ts */
import { optimise } from './hpo.ts'

const best = await optimise()
console.log(best ? `loss ${best.loss.toFixed(5)} with ${JSON.stringify(best.point)}` : 'no training gave a loss')

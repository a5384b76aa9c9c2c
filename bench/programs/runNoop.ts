import { lifeCycles, manyCalls } from './noop.ts'

const [what, ...numbers] = process.argv.slice(2)
const [a, b, c] = numbers.map(Number)
console.log(what === 'calls' ? await manyCalls(a!, b!) : await lifeCycles(a!, b!, c!))

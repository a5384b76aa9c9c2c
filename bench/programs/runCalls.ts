import { timeCalls } from './calls.ts'

const [n, warm] = process.argv.slice(2).map(Number)
console.log(JSON.stringify(await timeCalls(n!, warm!)))

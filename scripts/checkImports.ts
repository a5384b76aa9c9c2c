/**
 * Who may import whom (ARCHITECTURE.md), checked over every relative import and every package: `npm run check`. Prints each offence, and fails when
 * there is one.
 */
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import ts from 'typescript'

const mayImport: Record<string, string[]> = {
  lib: [],
  domain: ['lib'],
  contract: ['lib', 'domain'],
  ports: ['lib', 'domain'],
  policy: ['lib', 'domain', 'type contract'],
  languages: ['contract', 'domain'],
  store: ['lib', 'domain', 'type policy'],
  services: ['lib', 'contract', 'domain', 'policy', 'ports', 'store'],
  agents: ['lib', 'domain', 'policy', 'ports', 'store', 'services'],
  api: ['lib', 'contract', 'domain', 'services', 'languages'],
  harvester: ['lib', 'contract', 'domain', 'policy', 'ports'],
  pilot: ['lib', 'contract', 'ports'],
  sdk: ['lib', 'contract'],
  cli: ['lib', 'contract', 'sdk', 'languages'],
  adapters: ['lib', 'domain', 'ports', 'contract'],
}

/** The folders of the monitor. Of the server it sees what goes over the wire, and of that only the types. */
const monitorMayImport: Record<string, string[]> = {
  api: ['type contract'],
  words: ['type contract'],
  states: ['type contract'],
  charts: [],
  graph: ['type contract', 'states', 'words'],
  live: ['type contract', 'api', 'graph', 'states', 'words'],
  parts: ['type contract', 'api', 'states', 'words'],
  pages: ['type contract', 'api', 'charts', 'graph', 'live', 'parts', 'states', 'words'],
  app: ['type contract', 'api', 'live', 'pages', 'parts', 'states', 'words'],
}

const monitorMayUse: Record<string, string[]> = {
  api: ['react', '@tanstack/react-query'],
  charts: ['react', 'uplot'],
  graph: ['react'],
  live: ['react', '@tanstack/react-query'],
  parts: ['react', 'wouter', '@tanstack/react-query', '@tanstack/react-table', '@tanstack/react-virtual'],
  pages: ['react', 'wouter', '@tanstack/react-query', '@tanstack/react-virtual'],
  app: ['react', 'wouter', '@tanstack/react-query'],
}

/** Packages beside Node's own. `contract` runs in the clients too, so whatever these import is what a user installs on a worker node. */
const mayUse: Record<string, string[]> = {
  contract: ['zod', 'undici'],
  store: ['pg'],
  api: ['fastify', 'ajv', 'ajv-formats', 'zod'],
  services: ['zod', 'lru-cache'],
  sdk: ['esbuild', 'undici'],
  cli: ['commander', 'picocolors'],
  pilot: ['undici'],
}

const filesBelow = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true }))
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => path.join(folder, file))

type Import = { target: string; typeOnly: boolean }

const importsOf = (text: string): Import[] => {
  const source = ts.createSourceFile('file.tsx', text, ts.ScriptTarget.Latest)
  const found: Import[] = []
  const visit = (node: ts.Node) => {
    if (ts.isImportDeclaration(node))
      found.push({ target: (node.moduleSpecifier as ts.StringLiteral).text, typeOnly: isTypeOnly(node.importClause) })
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier)
      found.push({ target: (node.moduleSpecifier as ts.StringLiteral).text, typeOnly: node.isTypeOnly })
    else if (
      ts.isCallExpression(node) &&
      node.expression.kind === ts.SyntaxKind.ImportKeyword &&
      ts.isStringLiteral(node.arguments[0]!)
    )
      found.push({ target: node.arguments[0].text, typeOnly: false })
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

const isTypeOnly = (clause: ts.ImportClause | undefined): boolean =>
  clause !== undefined &&
  (clause.phaseModifier === ts.SyntaxKind.TypeKeyword ||
    (!clause.name &&
      clause.namedBindings !== undefined &&
      ts.isNamedImports(clause.namedBindings) &&
      clause.namedBindings.elements.every((e) => e.isTypeOnly)))

type Rules = { imports: Record<string, string[]>; packages: Record<string, string[]> }

const offenceOf = (file: string, from: string, rules: Rules, { target, typeOnly }: Import): string | undefined => {
  if (target.startsWith('node:')) return undefined
  if (!target.startsWith('.')) {
    const pkg = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : target.split('/')[0]!
    return typeOnly || rules.packages[from]?.includes(pkg)
      ? undefined
      : `${file}: ${from} may not use the package ${pkg}`
  }
  const to = folderOf(path.join(path.dirname(file), target))
  const allowed = rules.imports[from]!
  if (to === from || allowed.includes(to) || (typeOnly && allowed.includes(`type ${to}`))) return undefined
  return `${file}: ${from} may not import ${to}${allowed.includes(`type ${to}`) ? ' (only its types)' : ''}`
}

/** src/lib/ids.ts is of lib, monitor/src/api/ask.ts of api. */
const folderOf = (file: string): string => file.replace(/^monitor\//, '').split(path.sep)[1]!

const check = async (folder: string, rules: Rules) => {
  for (const file of await filesBelow(folder)) {
    const from = folderOf(file)
    if (file.endsWith('.test.ts') || file.includes('/testing/') || !rules.imports[from]) continue
    for (const imported of importsOf(await readFile(file, 'utf8'))) {
      const offence = offenceOf(file, from, rules, imported)
      if (!offence) continue
      console.error(offence)
      process.exitCode = 1
    }
  }
}

await check('src', { imports: mayImport, packages: mayUse })
await check('monitor/src', { imports: monitorMayImport, packages: monitorMayUse })

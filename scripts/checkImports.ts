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

/** Packages beside Node's own. `contract` runs in the clients too, so whatever these import is what a user installs on a worker node. */
const mayUse: Record<string, string[]> = {
  contract: ['zod', 'undici'],
  store: ['pg'],
  api: ['fastify', 'ajv', 'ajv-formats', 'zod'],
  services: ['zod'],
  sdk: ['esbuild', 'undici'],
  cli: ['commander', 'picocolors'],
  pilot: ['undici'],
}

const filesBelow = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true }))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => path.join(folder, file))

type Import = { target: string; typeOnly: boolean }

const importsOf = (text: string): Import[] => {
  const source = ts.createSourceFile('', text, ts.ScriptTarget.Latest)
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

const offenceOf = (file: string, from: string, { target, typeOnly }: Import): string | undefined => {
  if (target.startsWith('node:')) return undefined
  if (!target.startsWith('.')) {
    const pkg = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : target.split('/')[0]!
    return typeOnly || mayUse[from]?.includes(pkg) ? undefined : `${file}: ${from} may not use the package ${pkg}`
  }
  const to = path.normalize(path.join(path.dirname(file), target)).split(path.sep)[1]!
  const allowed = mayImport[from]!
  if (to === from || allowed.includes(to) || (typeOnly && allowed.includes(`type ${to}`))) return undefined
  return `${file}: ${from} may not import ${to}${allowed.includes(`type ${to}`) ? ' (only its types)' : ''}`
}

for (const file of await filesBelow('src')) {
  const from = file.split(path.sep)[1]!
  if (file.endsWith('.test.ts') || file.includes('/testing/') || !mayImport[from]) continue
  for (const imported of importsOf(await readFile(file, 'utf8'))) {
    const offence = offenceOf(file, from, imported)
    if (!offence) continue
    console.error(offence)
    process.exitCode = 1
  }
}

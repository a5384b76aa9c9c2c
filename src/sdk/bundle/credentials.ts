/** Files that bear such names are credentials, whatever is in them. */
const byName: { pattern: RegExp; says: string }[] = [
  { pattern: /(^|\/)\.env(\.(?!(example|sample|template|dist|defaults?)$)[^/]*)?$/, says: 'an environment file' },
  {
    pattern: /(^|\/)([._]netrc|\.(pgpass|git-credentials|pypirc|dockercfg|htpasswd|vault-token))$/,
    says: 'a file of passwords',
  },
  { pattern: /(^|\/)\.(aws\/credentials|docker\/config\.json|kube\/config)$/, says: 'a file of passwords' },
  { pattern: /(^|\/)id_(rsa|dsa|ecdsa|ed25519|ecdsa_sk|ed25519_sk)$/, says: 'a private key of SSH' },
  { pattern: /(^|\/)x509up_u\d+[^/]*$/, says: 'an X.509 proxy' },
  { pattern: /(^|\/)krb5cc(_[^/]*)?$/, says: 'a Kerberos ticket' },
  { pattern: /\.(p12|pfx|jks|keystore|kdbx|ppk|keytab)$/, says: 'a store of keys' },
]

/** What credentials look like inside of files. `marks`: one of these must be there, which is quickly seen. */
const byContent: { marks: string[]; pattern: RegExp; says: string }[] = [
  {
    marks: ['PRIVATE KEY'],
    pattern: /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[rn])+[A-Za-z0-9+/=:,\- ]{20}/,
    says: 'a private key',
  },
  {
    marks: ['AKIA', 'ASIA'],
    pattern: /\b(?:AKIA|ASIA)(?![A-Z0-9]*EXAMPLE\b)[A-Z2-7]{16}\b/,
    says: 'an access key of AWS',
  },
  {
    marks: ['aws_secret_access_key'],
    pattern: /aws_secret_access_key["']?\s*[=:]\s*["']?[A-Za-z0-9+/]{40}\b/,
    says: 'an access key of AWS',
  },
  {
    marks: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'],
    pattern: /\bgh[pousr]_[A-Za-z0-9]{36}/,
    says: 'a token of GitHub',
  },
  { marks: ['github_pat_'], pattern: /\bgithub_pat_[A-Za-z0-9_]{40}/, says: 'a token of GitHub' },
  { marks: ['glpat-', 'gldt-', 'glrt-'], pattern: /\bgl(?:pat|dt|rt)-[A-Za-z0-9_-]{20}/, says: 'a token of GitLab' },
  { marks: ['xox'], pattern: /\bxox[abprs]-[A-Za-z0-9-]{20}/, says: 'a token of Slack' },
  { marks: ['AIza'], pattern: /\bAIza[A-Za-z0-9_-]{35}/, says: 'a key of Google' },
  { marks: ['pypi-AgE'], pattern: /\bpypi-AgE[A-Za-z0-9_-]{50}/, says: 'a token of PyPI' },
  { marks: ['npm_'], pattern: /\bnpm_[A-Za-z0-9]{36}\b/, says: 'a token of npm' },
  { marks: ['hf_'], pattern: /\bhf_[A-Za-z0-9]{34}\b/, says: 'a token of Hugging Face' },
  {
    marks: ['client-key-data:'],
    pattern: /client-key-data:\s*[A-Za-z0-9+/=]{40}/,
    says: 'a private key of Kubernetes',
  },
]

/**
 * What kind of credential a file is or holds, in words; undefined for one that holds none that is known. A look at
 * names and at what keys and tokens begin with: it finds what was shipped by mistake, and not what was hidden.
 */
export const credentialIn = (path: string, content: Uint8Array): string | undefined => {
  const named = byName.find(({ pattern }) => pattern.test(path))
  if (named) return named.says
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1')
  return byContent.find(({ marks, pattern }) => marks.some((mark) => text.includes(mark)) && pattern.test(text))?.says
}

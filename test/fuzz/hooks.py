"""What schemathesis cannot know of the system under test: ids of things that are there, and how short a wait must be.

Which known thing stands in for an invented one follows from the invented one alone, so that a seed gives the same cases again. What does not have the form of
an id stays as it is: cases that are meant to be refused stay refusable.
"""

import atexit
import base64
import collections
import hashlib
import json
import os
import re

import schemathesis

with open(os.environ["CULM_FUZZ_KNOWN"], encoding="utf-8") as file:
    KNOWN = json.load(file)

TALLY = collections.Counter()

IDS = {noun: list(KNOWN["ids"].get(noun, [])) for noun in "wtjpke"}
HASHES = KNOWN["hashes"]
EPOCHS = KNOWN["epochs"]
SIGNED = KNOWN["signed"]

LONGEST_WAIT_SECONDS = 0.02
POOL = 40

# Cursors of lists are their last key in base64url; these are at the ends of what a key may be.
CURSORS = [base64.urlsafe_b64encode(str(n).encode()).decode().rstrip("=") for n in (0, 1, 7, 2**31 - 1, 2**31, 10**15 - 1)]

# Refused for what it means, not for its form: no schema can tell.
MEANING = {
    "blob_mismatch",
    "blob_too_large",
    "bundle_invalid",
    "bundle_unknown",
    "invalid_cursor",
    "invalid_text",
    "parent_unknown",
    "too_large_for_queue",
}

# Addresses that are also those of a thing of that name: DELETE /v1/secrets/rotate removes the secret `rotate`.
ALSO_NAMES = {"/v1/secrets/rotate"}


def chance(value, of):
    """A number below `of`, always the same for the same value."""
    text = json.dumps(value, sort_keys=True, default=str)
    return int(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8], 16) % of


def stand_in(value):
    """A thing that is there instead of an invented one, four times of five."""
    if re.fullmatch("k[1-9][0-9]{0,8}", value):
        # Never an invented one: it could be of the token that asks.
        return IDS["k"][chance([value], len(IDS["k"]))]
    if chance(value, 5) == 0:
        return value
    if re.fullmatch("[wtjpe][1-9][0-9]{0,14}", value) and IDS[value[0]]:
        pool = IDS[value[0]]
        return pool[chance([value], len(pool))]
    if re.fullmatch("[0-9a-f]{64}", value):
        return HASHES[chance([value], len(HASHES))]
    return value


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def replaced(value, key=None):
    if isinstance(value, dict):
        return {k: replaced(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [replaced(item, key) for item in value]
    if isinstance(value, str):
        if key == "queue" and chance(value, 3) > 0:
            return "local" if 0 < len(value) <= 200 and value.isprintable() else value
        return stand_in(value)
    if is_number(value):
        if key == "waitSeconds" and 0 <= value <= 60:
            return min(value, LONGEST_WAIT_SECONDS)
        if key == "cores" and 1 <= value <= 4096 and chance(value, 4) > 0:
            return 1
        if key in ("attempt", "firstIndex", "index") and 1 <= value <= 1_000_000 and chance(value, 3) > 0:
            return 1
        if key == "epoch" and value >= 1 and chance(value, 5) > 0:
            return 1
    return value


def query_value(key, value):
    if key == "after" and isinstance(value, str) and chance(value, 4) > 0:
        return CURSORS[chance([value], len(CURSORS))]
    if key == "waitSeconds":
        try:
            return min(float(value), LONGEST_WAIT_SECONDS) if 0 <= float(value) <= 30 else value
        except (TypeError, ValueError):
            return value
    return replaced(value, key)


@schemathesis.hook
def before_call(context, case, kwargs):
    if isinstance(case.path_parameters, dict):
        case.path_parameters = {k: stand_in(v) if isinstance(v, str) else v for k, v in case.path_parameters.items()}
    if isinstance(case.query, dict):
        case.query = {key: query_value(key, value) for key, value in case.query.items()}
    if isinstance(case.body, (dict, list)):
        case.body = replaced(case.body)
        if case.path.endswith("/claim") and isinstance(case.body, dict):
            case.body.setdefault("waitSeconds", LONGEST_WAIT_SECONDS)
        pilot = (case.path_parameters or {}).get("id") if isinstance(case.path_parameters, dict) else None
        if isinstance(case.body, dict) and case.body.get("epoch") == 1 and pilot in EPOCHS:
            case.body["epoch"] = EPOCHS[pilot]
    signed = SIGNED.get(case.method.upper())
    if case.path.startswith("/v1/content/") and signed and not case.query and chance(case.path_parameters, 2) == 0:
        case.path_parameters = {"hash": signed["hash"]}
        case.query = dict(signed["query"])


@schemathesis.hook
def after_call(context, case, response):
    """Counts, and remembers what was made, so that later cases meet it."""
    TALLY[f"{case.operation.label} {response.status_code}"] += 1
    if response.status_code != 201:
        return
    try:
        made = response.json()
    except ValueError:
        return
    if not isinstance(made, dict):
        return
    for key in ("workflowId", "taskId", "firstJobId", "pilotId", "id"):
        made_id = made.get(key)
        if isinstance(made_id, str) and made_id not in IDS.get(made_id[0], [made_id]):
            pool = IDS[made_id[0]]
            pool.append(made_id)
            if len(pool) > POOL:
                del pool[len(KNOWN["ids"].get(made_id[0], []))]
    if "pilotId" in made:
        EPOCHS[made["pilotId"]] = made["epoch"]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """A request of the right form may still be refused for what it means; and a fixed address may also be one with a name in it."""
    if type(failure).__name__ == "AllowHeaderMismatch":
        return case.path not in ALSO_NAMES
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    try:
        return response.json().get("code") not in MEANING
    except ValueError:
        return True


@atexit.register
def write_tally():
    with open(os.environ["CULM_FUZZ_TALLY"], "w", encoding="utf-8") as file:
        json.dump(TALLY, file)

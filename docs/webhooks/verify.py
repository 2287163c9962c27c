# Verifies a webhook from Mealticket: Standard Webhooks, signature v1, HMAC-SHA256 over "{id}.{timestamp}.{body}".
# Copy `verify` and what it uses. Call it before the body is parsed, and answer 400 if it refuses.
# Remember each id: a message may come more than once, always under the same id. Act on it once, and answer
# 200 again.
# Run as a program, it reads samples from standard input and prints "ok" or "refused" for each: see `main`.
# Python 3.9 or newer, standard library only.

import base64
import hashlib
import hmac
import re
import sys

TOLERANCE_SECONDS = 300
SIGNATURES_MAX = 8


class Refused(Exception):
    """The message is not to be trusted. The text is for your log; do not send it to the sender."""


def decode(text):
    """Base64, strictly: with padding, no other characters, one way to write each value."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused("not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Refused("not base64")
    return data


def key_of(secret):
    """The key is what the base64 after `whsec_` stands for, not the text of the secret."""
    if not secret.startswith("whsec_"):
        raise Refused("not a secret")
    key = decode(secret[len("whsec_"):])
    if not 24 <= len(key) <= 64:
        raise Refused("not a secret")
    return key


def verify(secrets, id, timestamp, signatures, body, now):
    """Returns nothing if the message is genuine and recent, else raises `Refused`.

    `secrets`: a list, usually of one; the old and the new one while you change secrets. A malformed one refuses all.
    `id`, `timestamp`, `signatures`: the headers webhook-id, webhook-timestamp and webhook-signature, None if missing.
    `body`: the bytes exactly as they came (Flask: request.get_data(), Django: request.body). JSON that was parsed and
    written again has other bytes, and another signature.
    `now`: int(time.time()).
    """
    keys = [key_of(secret) for secret in secrets]
    if not id or not timestamp or not signatures:
        raise Refused("a header is missing")
    # fullmatch: with match and "$", a line feed at the end would pass.
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id):
        raise Refused("the id is malformed")
    if not re.fullmatch(r"[1-9][0-9]{0,10}", timestamp):
        raise Refused("the timestamp is malformed")
    # Both ways: a message that was recorded must not be of use later, and one from the future is as wrong.
    if not abs(now - int(timestamp)) <= TOLERANCE_SECONDS:
        raise Refused("the timestamp is too far from now: is your clock right?")
    given = signatures.split(" ")
    if len(given) > SIGNATURES_MAX:
        raise Refused("there are too many signatures")
    message = f"{id}.{timestamp}.".encode() + body
    found = False
    for key in keys:
        expected = b"v1," + base64.b64encode(hmac.new(key, message, hashlib.sha256).digest())
        for signature in given:
            # Constant time: `==` stops at the first byte that differs, and the time it took shows where.
            # Signatures of another version, such as v1a, never equal ours, which begins with "v1,".
            found |= hmac.compare_digest(signature.encode("utf-8", "replace"), expected)
    if not found:
        raise Refused("no signature matches")


def main():
    """Per line, separated by tabs: secrets (separated by commas), now, id, timestamp, signatures, body in base64."""
    for line in sys.stdin.buffer:
        try:
            fields = line.decode("utf-8", "replace").removesuffix("\n").split("\t")
            if len(fields) != 6 or not re.fullmatch(r"-?[0-9]{1,15}", fields[1]):
                raise Refused("not a sample")
            secrets, now, id, timestamp, signatures, body = fields
            verify(secrets.split(","), id, timestamp, signatures, decode(body), int(now))
            print("ok", flush=True)
        except Refused:
            print("refused", flush=True)


if __name__ == "__main__":
    main()

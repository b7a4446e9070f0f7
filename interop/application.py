# Asks the Standard Webhooks library for Python, which PYTHONPATH leads to: standard
# input is a list of {"secret", "header", "body"}, standard output one of what it says
# of each, empty if it is genuine.

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook


def refusal(delivery):
    try:
        Webhook(delivery["secret"]).verify(base64.b64decode(delivery["body"]), delivery["header"])
    except Exception as error:
        return str(error) or repr(error)
    return ""


json.dump([refusal(delivery) for delivery in json.load(sys.stdin)], sys.stdout)

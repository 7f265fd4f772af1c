"""Who may use the store: whoever signs with the administrator's key or with one of those in /data/keys.json.

A filter of Swift's proxy. All keys lead to the same account, so what one of them has made is there for all.
"""

import json
import os

from swift.common.swob import HTTPForbidden, HTTPUnauthorized

ACCOUNT = "AUTH_slipway"
KEYS_FILE = "/data/keys.json"


def read_keys():
    try:
        with open(KEYS_FILE, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


class Keys:
    def __init__(self, app):
        self.app = app
        self.seen = None
        self.keys = {}

    def secret(self, access_key):
        if access_key == os.environ["ROOT_ACCESS_KEY"]:
            return os.environ["ROOT_SECRET_KEY"]
        try:
            found = os.stat(KEYS_FILE)
            seen = (found.st_ino, found.st_mtime_ns)
        except FileNotFoundError:
            seen = None
        if seen != self.seen:
            self.keys, self.seen = read_keys(), seen
        return self.keys.get(access_key)

    def __call__(self, environ, start_response):
        # What the proxy asks itself on behalf of a request that was let in.
        if environ.get("swift.authorize_override"):
            return self.app(environ, start_response)
        details = environ.get("s3api.auth_details")
        if details or "swift.authorize" not in environ:
            environ["swift.authorize"] = denied
        if details:
            secret = self.secret(details["access_key"])
            if secret is not None and details["check_signature"](secret):
                named = details.get("account", details["access_key"])
                environ["PATH_INFO"] = environ["PATH_INFO"].replace(named, ACCOUNT, 1)
                environ["REMOTE_USER"] = ACCOUNT
                environ["swift_owner"] = True
                environ["swift.authorize"] = allowed
        return self.app(environ, start_response)


def allowed(request):
    request.environ["swift_owner"] = True


def denied(request):
    return HTTPForbidden(request=request) if request.remote_user else HTTPUnauthorized(request=request)


def filter_factory(_global_conf, **_local_conf):
    return Keys

# -*- coding: utf-8 -*-
"""What both drivers need: a comparison that says what is wrong, and files to upload."""

import hashlib
import os
import sys

APPID, BUCKET, SECRET_ID, SECRET_KEY = 10001, u'probe', u'AKIDexample', u'secretexample'

failures = []


def same(what, got, wanted):
    """Compares; of dictionaries only what is wanted."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        got = dict((key, got.get(key)) for key in wanted)
    fine = got == wanted
    sys.stdout.write('%s %s\n' % ('ok    ' if fine else 'WRONG ', what))
    if not fine:
        failures.append(what)
        sys.stdout.write('       got    %r\n       wanted %r\n' % (got, wanted))


def succeeded(what, answer):
    """An answer with the code 0; gives its data."""
    same(what, answer, {u'code': 0, u'message': u'SUCCESS'})
    return answer.get(u'data') or {}


def refused(what, answer, code, message):
    """An answer with another code."""
    same(what, answer, {u'code': code, u'message': message})


def local(folder, name, content):
    """A local file, and its SHA-1."""
    path = os.path.join(folder, name)
    with open(path, 'wb') as out:
        out.write(content)
    return path.decode('utf8'), hashlib.sha1(content).hexdigest()


def end():
    """Ends the driver."""
    sys.stdout.write('%d wrong\n' % len(failures))
    sys.exit(1 if failures else 0)

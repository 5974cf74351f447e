#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sends a photo to synchuman-server, shows progress, saves the model.

usage: client.py PHOTO [MODEL.glb] [http://localhost:8000] [name=value ...]
"""
import json
import sys
import urllib.error
import urllib.request
import uuid


def form(photo, fields):
    """The body of a multipart form, and its content type."""
    boundary = uuid.uuid4().hex
    parts = []
    for name, value in fields.items():
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    with open(photo, 'rb') as file:
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="photo"\r\n\r\n'.encode()
                     + file.read() + b'\r\n')
    parts.append(f'--{boundary}--\r\n'.encode())
    return b''.join(parts), f'multipart/form-data; boundary={boundary}'


def events(server, job):
    """Pairs of the name and the object of each event of a job."""
    with urllib.request.urlopen(f'{server}/jobs/{job}/events', timeout=600) as stream:
        name = None
        for line in stream:
            key, _, value = line.decode().rstrip('\n').partition(': ')
            if key == 'event':
                name = value
            elif key == 'data':
                yield name, json.loads(value)


def main():
    words = [w for w in sys.argv[1:] if '=' not in w]
    fields = dict(w.split('=', 1) for w in sys.argv[1:] if '=' in w)
    if not words:
        sys.exit(__doc__)
    photo = words[0]
    out = next((w for w in words[1:] if not w.startswith('http')), 'model.glb')
    server = next((w.rstrip('/') for w in words[1:] if w.startswith('http')), 'http://localhost:8000')
    body, kind = form(photo, {'async': 'true', **fields})
    request = urllib.request.Request(f'{server}/generate', body, {'Content-Type': kind})
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            job = json.load(answer)['job_id']
        for name, state in events(server, job):
            if name == 'progress':
                print(f"\r{state['stage']} {state['step']}/{state['total']}   ", end='', flush=True)
            elif name == 'state' and state['status'] in ('failed', 'cancelled'):
                sys.exit(f"\n{state['status']}: {state.get('error', '')}")
        with urllib.request.urlopen(f'{server}/jobs/{job}/files/output.glb', timeout=600) as answer, open(out, 'wb') as file:
            file.write(answer.read())
        print(f'\n{out}')
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {json.load(error).get('detail', error.reason)}")
    except urllib.error.URLError as error:
        sys.exit(f'{server}: {error.reason}')


main()

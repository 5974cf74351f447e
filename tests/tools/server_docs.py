#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what docs/api.md and /openapi.json say with what a server does.

usage: server_docs.py URL docs/api.md PHOTO answer.json
"""
import json
import re
import sys
import urllib.error
import urllib.request

url, page, photo, answer = sys.argv[1:5]
page = open(page, encoding='utf-8').read()
photo = open(photo, 'rb').read()


def ask(method, path, body=None, kind=None):
    request = urllib.request.Request(url + path, body, {'Content-Type': kind} if kind else {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=100) as a:
            return a.status, a.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def refusal(field, value):
    """Status and detail for a form with one field beside the photo."""
    body = (f'--x\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
            '--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n').encode() + photo + b'\r\n--x--\r\n'
    status, text = ask('POST', '/generate', body, 'multipart/form-data; boundary=x')
    return status, json.loads(text).get('detail', '')


def same(what, a, b):
    if set(a) != set(b):
        sys.exit(f'{what}: {sorted(set(a) ^ set(b))} are not on both sides')


api = json.loads(ask('GET', '/openapi.json')[1])
routes = {(m.upper(), p.replace('{id}', 'ID').replace('{name}', 'NAME')) for p, ms in api['paths'].items() for m in ms}
# the page, which the document is not about
same('routes', routes | {('GET', '/')}, re.findall(r'^\| `(GET|POST|DELETE) (/[^`]*)` \|', page, re.M))
for method, path in routes:
    status, text = ask(method, path.replace('ID', '0123456789abcdef').replace('NAME', 'output.glb'))
    lost = path.startswith('/jobs')
    if status in (405, 500) or (status == 404) != lost or (lost and 'no such job' not in text.decode()):
        sys.exit(f'{method} {path}: {status} {text[:200]}')
operation = api['paths']['/generate']['post']
fields = operation['requestBody']['content']['multipart/form-data']['schema']['properties']
section = page[page.index('## POST /generate'):page.index('## Errors')]
same('fields of docs/api.md', fields, re.findall(r'^\| `(\w+)` \|', section, re.M))
same('fields of the server', fields, refusal('nothing', 1)[1].split(': ')[-1].split(', '))
for name, field in fields.items():
    for bound, outside in (('minimum', -1), ('maximum', 1)):
        if bound not in field:
            continue
        status, detail = refusal(name, field[bound] + outside * field.get('multipleOf', 1))
        if status != 422 or f'{field[bound]:g}' not in detail and str(field[bound]) not in detail:
            sys.exit(f'{name}: {bound} {field[bound]}, and the server says {status} {detail}')
errors = {s for row in re.findall(r'^\| ([0-9, ]+) \|', page[page.index('## Errors'):], re.M) for s in row.split(', ')}
said = {s for ms in api['paths'].values() for o in ms.values() for s in o['responses'] if s >= '400'}
said |= set(re.findall(r'\b[45]\d\d\b', api['info']['description']))
same('statuses', said, errors)
job = json.load(open(answer, encoding='utf-8'))
schemas = api['components']['schemas']
for schema, thing in (('Job', job), ('Stage', job['stage1']), ('Stage', job['stage2'])):
    if not set(thing) <= set(schemas[schema]['properties']):
        sys.exit(f"{schema}: {set(thing) - set(schemas[schema]['properties'])} are not documented")
names = api['paths']['/jobs/{id}/files/{name}']['get']['parameters'][1]['schema']['enum']
for name in names:
    status = ask('GET', f"/jobs/{job['job_id']}/files/{name}")[0]
    if status != 200:
        sys.exit(f'{name}: {status}')

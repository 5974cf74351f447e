/* SPDX-License-Identifier: MIT */
/* Draws openapi.json as forms that send requests. */
'use strict';

function element (name, properties, ...children) {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
}

function resolve (api, schema) {
  const name = schema && schema.$ref && schema.$ref.split('/').pop();
  return name ? api.components.schemas[name] : schema || {};
}

/* name, where it goes and what is allowed, for each value of a request */
function fieldsOf (api, operation) {
  const fields = (operation.parameters || []).map(
    p => ({ name: p.name, place: p.in, required: p.required, schema: p.schema, text: p.description }));
  const content = operation.requestBody && operation.requestBody.content['multipart/form-data'];
  if (content)
    for (const [name, schema] of Object.entries(resolve(api, content.schema).properties))
      fields.push({ name, place: 'form', schema, text: schema.description });
  return fields;
}

function inputFor (field) {
  const s = field.schema;
  const type = s.format === 'binary' ? 'file' : s.type === 'boolean' ? 'checkbox' : 'text';
  const allowed = [s.minimum, s.maximum].some(x => x !== undefined) ? ` ${s.minimum ?? ''} … ${s.maximum ?? ''}` : '';
  const input = element('input', { type, name: field.name });
  if (s.default !== undefined && type === 'text')
    input.placeholder = s.default;
  if (type === 'file')
    input.accept = 'image/jpeg,image/png,image/webp';
  return element('label', {}, `${field.name} (${field.place}${field.required ? ', required' : ''}${allowed}) `, input,
    field.text ? element('small', {}, ' ' + field.text) : '');
}

async function send (method, path, fields, form, output) {
  const headers = {};
  const token = document.getElementById('token').value;
  const body = new FormData();
  let n = 0;

  if (token)
    headers.Authorization = 'Bearer ' + token;
  for (const f of fields) {
    const input = form.elements.namedItem(f.name);
    const value = input.type === 'file' ? input.files[0] : input.type === 'checkbox' ? input.checked && 'true' : input.value;
    if (!value)
      continue;
    if (f.place === 'path')
      path = path.replace(`{${f.name}}`, encodeURIComponent(value));
    else if (f.place === 'header')
      headers[f.name] = value;
    else {
      body.append(f.name, value);
      n++;
    }
  }
  output.textContent = 'Waiting …';
  try {
    const answer = await fetch(path, { method, headers, body: n ? body : undefined });
    const type = answer.headers.get('Content-Type') || '';
    const head = `${answer.status} ${answer.statusText}\n${type}\n\n`;
    if (type.includes('json'))
      output.textContent = head + JSON.stringify(await answer.json(), null, 2);
    else if (type.startsWith('text/'))
      output.textContent = head + await answer.text();
    else {
      const link = element('a', { href: URL.createObjectURL(await answer.blob()), download: path.split('/').pop(), textContent: 'Save' });
      output.replaceChildren(head, link);
    }
  } catch (error) {
    output.textContent = String(error);
  }
}

function draw (api, path, method, operation) {
  const fields = fieldsOf(api, operation);
  const output = element('pre', {}, '');
  const form = element('form', {}, ...fields.map(inputFor), element('button', {}, 'Send'));
  const rows = Object.entries(operation.responses).map(
    ([status, r]) => element('tr', {}, element('td', {}, status), element('td', {}, r.description)));

  output.setAttribute('aria-live', 'polite');
  form.addEventListener('submit', event => {
    event.preventDefault();
    send(method.toUpperCase(), path, fields, form, output);
  });
  return element('details', {}, element('summary', {}, element('b', {}, method.toUpperCase()), `${path}: ${operation.summary}`),
    element('p', {}, operation.description || ''), form, output, element('table', {}, ...rows));
}

async function main () {
  const api = await (await fetch('openapi.json')).json();
  const all = [];

  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(methods))
      all.push(draw(api, path, method, operation));
  document.getElementById('paths').replaceChildren(...all);
}

main();

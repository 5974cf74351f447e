/* SPDX-License-Identifier: MIT */
/* The page: sends a photo, shows how far its job is, and the model. */
'use strict';

const $ = id => document.getElementById(id);
/* those that a job goes through, in order; networks are loaded in between */
const stages = { matting: 'Cutting out the person', preprocess: 'Framing', stage1: 'Drawing the views',
  stage2: 'Making the shape', mesh: 'Cleaning the surface', texture: 'Painting the surface', glb: 'Writing the file' };
const others = { load: 'Loading the networks' };
let job = null;
let urls = [];

function headers () {
  return $('token').value ? { Authorization: 'Bearer ' + $('token').value } : {};
}

async function problemOf (answer) {
  try {
    return (await answer.json()).detail || answer.statusText;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

async function request (path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });

  if (answer.status === 401) {
    $('token-label').hidden = false;
    $('token').focus();
  }
  if (!answer.ok)
    throw new Error(await problemOf(answer));
  return answer;
}

/* EventSource cannot send a token, so the stream is taken apart here. */
async function * events (path) {
  const reader = (await request(path)).body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';

  for (;;) {
    const { value, done } = await reader.read();
    if (done)
      return;
    text += value;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const fields = Object.fromEntries(text.slice(0, end).split('\n').map(line => [line.split(':')[0], line.slice(line.indexOf(':') + 2)]));
      if (fields.data)
        yield { type: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

function sayLeft (seconds) {
  return seconds > 90 ? `, about ${Math.round(seconds / 60)} minutes left` : seconds > 0 ? `, about ${Math.ceil(seconds)} s left` : '';
}

function showStage (stage) {
  const names = Object.keys(stages);
  const at = names.indexOf(stage);

  if (at < 0)
    return;
  $('stages').replaceChildren(...names.map((name, i) => {
    const item = document.createElement('li');
    item.textContent = stages[name];
    item.classList.toggle('over', i < at);
    if (i === at)
      item.setAttribute('aria-current', 'step');
    return item;
  }));
}

function showState (state) {
  if (state.status === 'queued')
    $('status').textContent = `Waiting: number ${state.position || 1} in the queue`;
  else if (state.status === 'running')
    $('status').textContent = (stages[state.stage] || others[state.stage] || state.stage || 'Starting') + sayLeft(state.seconds_left);
  showStage(state.stage);
  if (state.total > 0)
    $('progress').value = state.step / state.total;
  if (state.warnings && state.warnings.length)
    $('problem').textContent = state.warnings.join(' ');
}

async function load (path) {
  const url = URL.createObjectURL(await (await request(path)).blob());

  urls.push(url);
  return url;
}

async function showModel (id) {
  const glb = await load(`jobs/${id}/files/output.glb`);

  $('glb').href = glb;
  $('zip').href = await load(`jobs/${id}/result.zip`);
  $('viewer').replaceChildren();
  if (customElements.get('model-viewer')) {
    const viewer = document.createElement('model-viewer');
    viewer.setAttribute('camera-controls', '');
    viewer.setAttribute('auto-rotate', '');
    viewer.alt = 'The finished model; arrow keys turn it';
    viewer.src = glb;
    viewer.addEventListener('load', () => document.body.dataset.shown = 'true');
    $('viewer').append(viewer);
  } else
    $('viewer').textContent = 'This server was built without a viewer: the file opens in any that reads glTF.';
  $('result').hidden = false;
  $('result-title').focus();
}

function busy (yes) {
  $('make').disabled = yes;
  $('cancel').hidden = !yes;
  $('running').hidden = !yes;
}

/* Whether the job is over with this event. */
async function show (id, event) {
  if (event.type === 'preview') {
    $('preview').src = `data:${event.data.type};base64,${event.data.base64}`;
    $('preview').hidden = false;
    return false;
  }
  showState(event.data);
  if (event.data.status === 'failed')
    throw new Error(event.data.error);
  if (event.data.status === 'cancelled')
    throw new Error('Cancelled.');
  if (event.data.status !== 'completed')
    return false;
  await showModel(id);
  $('status').textContent = `Done in ${event.data.seconds.toFixed(1)} s.`;
  return true;
}

/* A stream may be cut, and a server that is started again takes the job up. */
async function follow (id) {
  for (let lost = 0; lost < 60; lost++) {
    try {
      for await (const event of events(`jobs/${id}/events`)) {
        lost = 0;
        if (await show(id, event))
          return;
      }
    } catch (error) {
      if (!(error instanceof TypeError)) /* which the network's are */
        throw error;
    }
    $('status').textContent = 'The connection is lost; trying again';
    await new Promise(done => setTimeout(done, 1000));
  }
  throw new Error('The server does not answer any more.');
}

async function make () {
  const form = new FormData();

  for (const url of urls.splice(0))
    URL.revokeObjectURL(url);
  form.append('image', $('photo').files[0]);
  form.append('async', 'true');
  if ($('seed').value)
    form.append('seed', $('seed').value);
  for (const id of ['result', 'preview'])
    $(id).hidden = true;
  $('problem').textContent = '';
  $('stages').replaceChildren();
  $('progress').value = 0;
  $('status').textContent = 'Sending the photo';
  busy(true);
  try {
    job = (await (await request('generate', { method: 'POST', body: form })).json()).job_id;
    await follow(job);
  } catch (error) {
    $('status').textContent = '';
    $('problem').textContent = error.message;
  }
  job = null;
  busy(false);
}

$('form').addEventListener('submit', event => {
  event.preventDefault();
  make();
});
$('cancel').addEventListener('click', () => job && request(`jobs/${job}`, { method: 'DELETE' }).catch(() => {}));
$('photo').addEventListener('change', () => {
  const file = $('photo').files[0];

  URL.revokeObjectURL($('shown').src);
  $('shown').hidden = !file;
  if (file)
    $('shown').src = URL.createObjectURL(file);
});
for (const type of ['dragenter', 'dragover', 'dragleave', 'drop'])
  $('drop').addEventListener(type, event => {
    event.preventDefault();
    $('drop').classList.toggle('over', type.startsWith('drage') || type === 'dragover');
    if (type === 'drop' && event.dataTransfer.files.length) {
      $('photo').files = event.dataTransfer.files;
      $('photo').dispatchEvent(new Event('change'));
    }
  });
/* not a picture, or one that the browser cannot show */
$('shown').addEventListener('error', () => $('shown').hidden = true);

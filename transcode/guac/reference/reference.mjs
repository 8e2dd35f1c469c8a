// Plays scripts and recordings in guacamole-common-js in headless Chromium and
// stores screenshots of it: `make reference`. The renderer's tests compare these
// pictures with their own; see testdata/reference/README.md.
//
// usage: node reference.mjs TESTDATA [NAME...]
//        node reference.mjs TESTDATA --scripts FOLDER
//
// The second form plays the scripts of a folder. It writes a picture beside each script,
// and a JSON file about the sound if there is any.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import puppeteer from 'puppeteer-core';
import { dump } from './script.mjs';

const require = createRequire(import.meta.url);
const player = require.resolve('guacamole-common-js');
const version = name => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
const sha256 = data => createHash('sha256').update(data).digest('hex');

const [testdata, ...rest] = process.argv.slice(2);
const folder = rest[0] === '--scripts' ? rest[1] : undefined;
const only = folder ? [] : rest;
const reference = join(testdata, 'reference');
const manifestFile = join(reference, 'manifest.json');

// replaceAudio runs in the page. It replaces the audio output by a counter: for each format, the
// number of frames that are played, and the sum of all samples as 16-bit numbers.
function replaceAudio() {
  window.heard = {};
  window.AudioContext = window.webkitAudioContext = class {
    currentTime = 0;
    destination = {};
    createBuffer(channels, length, rate) {
      const data = Array.from({ length: channels }, () => new Float32Array(length));
      return { channels, length, rate, data, getChannelData: c => data[c] };
    }
    createBufferSource() {
      return {
        connect() {},
        start() {
          const { channels, length, rate, data } = this.buffer;
          const sum = data.reduce((all, channel) => channel.reduce((a, v) => a + v * 32768, all), 0);
          const all = window.heard[`${rate}x${channels}`] ??= { samples: 0, sum: 0 };
          all.samples += length;
          all.sum += Math.round(sum);
        },
      };
    }
  };
}

// startPlayer runs in the page. It starts a player whose tunnel gets its instructions from
// load and playUntil, as in Guacamole.SessionRecording.
function startPlayer() {
  const tunnel = { connect() {}, sendMessage() {}, disconnect() {} };
  const client = new Guacamole.Client(tunnel);
  client.connect();
  const display = client.getDisplay();
  display.showCursor(false); // until the first mouse instruction, as SessionRecording does
  document.body.replaceChildren(display.getElement());
  const flushed = () => new Promise(done => display.flush(done));
  let instructions = [];
  let origin = null;
  window.load = text => {
    const parser = new Guacamole.Parser();
    parser.oninstruction = (opcode, args) => instructions.push([opcode, [...args]]);
    parser.receive(text);
    return instructions.length;
  };
  // playUntil plays to the last sync at or before a time, in ms since the first sync. It returns
  // the size of the display, in px.
  window.playUntil = async ms => {
    for (;;) {
      let next = instructions.findIndex(([opcode]) => opcode === 'sync');
      if (next < 0) break;
      const time = parseInt(instructions[next][1][0]);
      origin ??= time;
      if (time - origin > ms) break;
      for (const [opcode, args] of instructions.splice(0, next + 1)) tunnel.oninstruction(opcode, args);
      await flushed();
    }
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    return { width: display.getWidth(), height: display.getHeight() };
  };
}

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb', '--force-device-scale-factor=1', '--disable-lcd-text'],
});

// openPlayer returns a page with a player that has loaded a dump, and has not played any of it.
async function openPlayer(text) {
  const page = await browser.newPage();
  page.errors = [];
  page.on('pageerror', error => page.errors.push(error.message));
  await page.setViewport({ width: 2048, height: 1536, deviceScaleFactor: 1 });
  await page.setContent('<!doctype html><body style="margin:0;background:#000;overflow:hidden"></body>');
  await page.addScriptTag({ content: `(() => { const module = { exports: {} };\n${readFileSync(player)}\nwindow.Guacamole = module.exports; })()` });
  await page.evaluate(replaceAudio);
  await page.evaluate(startPlayer);
  await page.evaluate(t => window.load(t), text);
  return page;
}

// takePicture plays until a time, in ms, and returns a PNG of the display.
async function takePicture(page, ms) {
  const size = await Promise.race([
    page.evaluate(t => window.playUntil(t), ms),
    new Promise((_, fail) => setTimeout(() => fail(new Error(`the player hangs: ${page.errors}`)), 60_000).unref()),
  ]);
  if (page.errors.length > 0) throw new Error(`the player failed: ${page.errors.join('; ')}`);
  const png = await page.screenshot({ clip: { x: 0, y: 0, ...size }, captureBeyondViewport: false });
  return Buffer.from(png);
}

const manifest = {
  player: `guacamole-common-js ${version('guacamole-common-js')}`,
  browser: await browser.version(),
  made: new Date().toISOString().slice(0, 10),
  pictures: {},
};
let failed = false;

// store plays a script or a recording, and stores its pictures at some times, in ms, and their
// entries in the manifest.
async function store(name, source, hash, text, times) {
  const wanted = only.length === 0 || only.includes(name);
  if (!wanted) return;
  const page = await openPlayer(text);
  try {
    for (const ms of times) {
      const file = times.length > 1 || source.endsWith('.gz') ? `${name}@${ms}.png` : `${name}.png`;
      const png = await takePicture(page, ms);
      writeFileSync(join(reference, 'pictures', file), png);
      manifest.pictures[file] = { source, source_sha256: hash, ...(source.endsWith('.gz') && { ms }), sha256: sha256(png) };
      console.log(`${file}: ${png.length} bytes`);
    }
  } catch (error) {
    failed = true;
    console.error(`${name}: ${error.message}`);
  } finally {
    await page.close();
  }
}

// playAll plays the scripts of a folder.
async function playAll(folder) {
  for (const file of readdirSync(folder).filter(f => f.endsWith('.txt')).sort()) {
    const path = join(folder, basename(file, '.txt'));
    const page = await openPlayer(dump(readFileSync(join(folder, file), 'utf8'), join(reference, 'images')));
    try {
      writeFileSync(`${path}.png`, await takePicture(page, 1 << 30));
      const heard = await page.evaluate(() => window.heard);
      if (Object.keys(heard).length > 0) writeFileSync(`${path}.json`, JSON.stringify(heard));
    } catch (error) {
      failed = true;
      console.error(`${file}: ${error.message}`);
    } finally {
      await page.close();
    }
  }
}

// playReference plays the scripts and recordings of testdata, and writes the manifest.
async function playReference() {
  if (only.length === 0) rmSync(join(reference, 'pictures'), { recursive: true, force: true });
  else manifest.pictures = JSON.parse(readFileSync(manifestFile)).pictures;
  mkdirSync(join(reference, 'pictures'), { recursive: true });
  const scripts = join(reference, 'scripts');
  for (const file of readdirSync(scripts).filter(f => f.endsWith('.txt')).sort()) {
    const text = readFileSync(join(scripts, file), 'utf8');
    await store(basename(file, '.txt'), `reference/scripts/${file}`, sha256(text), dump(text, join(reference, 'images')), [1 << 30]);
  }
  const list = JSON.parse(readFileSync(join(reference, 'recordings.json')));
  for (const { name, file, times } of list) {
    const packed = readFileSync(join(testdata, file));
    await store(name, file, sha256(packed), gunzipSync(packed).toString(), times);
  }
  manifest.pictures = Object.fromEntries(Object.entries(manifest.pictures).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(manifestFile, JSON.stringify(manifest, null, 1) + '\n');
}

try {
  await (folder ? playAll(folder) : playReference());
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);

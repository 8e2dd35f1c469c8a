// Makes the images that the scripts draw: node images.mjs DIRECTORY. It was run once, and
// the images are kept in testdata/reference/images: another version of the browser would
// encode JPEG and WebP differently.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import puppeteer from 'puppeteer-core';

const dir = process.argv[2];
const crc = crc32 ?? (b => { let c = ~0; for (const x of b) { c ^= x; for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xEDB88320 : c >>> 1; } return ~c >>> 0; });

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc(body), body.length + 4);
  return out;
}

// png returns a PNG of w by h pixels. depth is in bits per channel, and kind is the colour
// type of IHDR. bytes(x, y) returns the bytes of a pixel. The chunks in extra come before
// the pixels.
function png(w, h, depth, kind, bytes, ...extra) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(w, 0);
  head.writeUInt32BE(h, 4);
  head.set([depth, kind, 0, 0, 0], 8);
  const rows = [];
  for (let y = 0; y < h; y++) {
    rows.push(0);
    for (let x = 0; x < w; x++) rows.push(...bytes(x, y).map(v => Math.max(0, Math.min(255, Math.round(v)))));
  }
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), ...extra,
    chunk('IDAT', deflateSync(Buffer.from(rows), { level: 9 })), chunk('IEND', Buffer.alloc(0))]);
}

const photo = (x, y) => [128 + 100 * Math.sin(x / 7 + y / 11), 128 + 100 * Math.cos(x / 9 - y / 5), 5 * (x ^ y)];
const files = {
  'photo.png': png(48, 32, 8, 2, photo),
  'alpha.png': png(32, 32, 8, 6, (x, y) => [8 * y, 255 - 8 * y, 4 * (x + y), x * 255 / 31]), // alpha from left to right
  'alphas.png': png(256, 16, 8, 6, (x, y) => [17 * y, 255 - 17 * y, x ^ (16 * y), x]), // every value of alpha
  'tile.png': png(5, 3, 8, 2, (x, y) => [x * 60, y * 120, 255 - x * 40]),
  'grey.png': png(32, 16, 8, 0, (x, y) => [8 * x ^ y]),
  'greyalpha.png': png(32, 16, 8, 4, (x, y) => [8 * x, 17 * y]),
  'deep.png': png(32, 16, 16, 6, (x, y) => [8 * x, 3, 16 * y, 200, 99, 1, 255, 255]),
  'palette.png': png(32, 16, 8, 3, (x, y) => [(x >> 3) + (y >> 3)],
    chunk('PLTE', Buffer.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0, 90, 91, 92])), chunk('tRNS', Buffer.from([255, 255, 0, 128]))),
};
for (const [name, data] of Object.entries(files)) writeFileSync(join(dir, name), data);

const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage();
const convert = (name, type, quality) => page.evaluate(async (source, type, quality) => {
  const bitmap = await createImageBitmap(await (await fetch(source)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
  return [...new Uint8Array(await (await canvas.convertToBlob({ type, quality })).arrayBuffer())];
}, 'data:image/png;base64,' + files[name].toString('base64'), type, quality).then(Buffer.from);
writeFileSync(join(dir, 'photo.jpg'), await convert('photo.png', 'image/jpeg', 0.9));
writeFileSync(join(dir, 'photo.webp'), await convert('photo.png', 'image/webp', 0.9));
writeFileSync(join(dir, 'lossless.webp'), await convert('photo.png', 'image/webp', 1));
writeFileSync(join(dir, 'alpha.webp'), await convert('alpha.png', 'image/webp', 0.9));
await browser.close();

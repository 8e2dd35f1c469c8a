// dump converts a script (see testdata/reference/README.md) to a Guacamole dump. images is
// the folder of the images that the script names.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const element = text => `${[...text].length}.${text}`;

export function dump(text, images) {
  const lines = text.split('\n').map(line => line.trim()).filter(line => line && !line.startsWith('#'));
  return lines.map(line => {
    const words = line.split(/\s+/).map(word => {
      const file = /^@([^[]+)(?:\[(\d+):(\d*)\])?$/.exec(word);
      if (!file) return word;
      const data = readFileSync(join(images, file[1]));
      return data.subarray(Number(file[2] ?? 0), file[3] ? Number(file[3]) : data.length).toString('base64');
    });
    return `${words.map(element).join(',')};`;
  }).join('');
}

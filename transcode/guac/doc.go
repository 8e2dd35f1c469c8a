// Package guac draws session recordings: it reads the Guacamole protocol and
// yields frames with their damage and timestamps, and sound. It is pure:
// readers in, frames out. It knows nothing of files, ffmpeg or JumpServer.
//
// # From bytes to frames
//
// A [Parser] cuts a dump into instructions. [Scan] reads a part once without
// drawing: size, timestamps, hash, whether there is sound. [NewTimeline] places
// the parts of a recording on one time axis. [Play] draws: one goroutine reads
// ahead and collects what happens between two syncs, a pool decodes images, and
// one goroutine draws in order and hands frames to a [Sink].
//
// # Time
//
// Time advances at sync only; timestamps of mouse instructions lie. The picture
// at video time t is the display as of the last sync at or before t, within a
// slot of 1/FPS: the last state of a slot wins. A slot begins with the sync that
// follows the one shown last, so that no picture is older than a slot allows, and
// none comes sooner than it must. Frames come only when something
// has changed, and a repetition now and then so that players can seek: every
// 10 s, more rarely in days of idling on a large display. What is
// drawn after the last sync is shown in the final frame.
//
// # The display
//
// Layers, buffers, masks, transfer functions, paths and the pointer follow
// guacamole-common-js 1.5.0 as Chromium shows it, not guacenc; `make reference`
// takes its pictures and the tests compare ours with them. Some of what follows
// from that is not obvious:
//   - siblings lie by ascending z, then in the order of their coming; a parent's
//     own pixels lie at z −1;
//   - a layer fades with all that lies on it as one picture, and is distorted
//     about its middle;
//   - masks 0x1, 0x4, 0x8, 0x9 and 0xC clear the rest of the layer, as far as its
//     clip goes, and guacd relies on it; an unknown mask draws with the one before;
//   - canvases have sides of multiples of 64 pixels, beyond the layer's edge, where
//     drawing goes on; a pattern repeats the canvas;
//   - a buffer that grows to fit a drawing forgets path, clip and transform;
//   - a path can be painted again until the next segment begins a new one;
//   - coordinates are whole numbers, fractions are cut off.
//
// Deliberate differences from guacamole-common-js:
//   - element lengths count code points, as servers write them, not UTF-16 units;
//   - drawing after the last sync is shown in the final frame rather than lost;
//   - an image is drawn with the mask of its own img, not with whatever other mask
//     its layer has got by the time of its end: the browser's streams interfere;
//   - an image that cannot be decoded is skipped, where the browser waits for ever,
//     and so are a pattern without pixels, an arc of negative radius and a layer
//     put on itself, after which the browser drops the rest of the frame;
//   - lstroke works; in guacamole-common-js 1.5.0 it fails in every case;
//   - the pointer lies above all layers, as an auditor wants to see it; the browser
//     hides it behind layers of z > 0;
//   - a new layer has the display's size at that instruction, not that of the last
//     sync: servers send a size at once;
//   - rectangles of a copy or transfer with a negative width or height are empty;
//     what is no number is 0, where the browser leaves the instruction out;
//   - the browser's flatten() neither clips layers to their parents nor distorts them,
//     and fades them one by one; we follow what it shows on the screen;
//   - anti-aliased edges, curves, and what is scaled or semi-transparent are rounded
//     otherwise: each script in testdata/reference says by how much at most.
//
// # Untrusted input
//
// Recordings come from sessions that attackers may control. [Limits] bound
// sizes, counts, bytes and time; an image's header is checked before it is
// decoded; instructions that cannot be obeyed are skipped, counted, and told in
// [Stats]. The work of all of it together is bounded in proportion to what is
// stored, to the display and to the length ([ErrTooCostly]): an instruction of
// forty bytes can ask for as much as a second of a session does.
package guac

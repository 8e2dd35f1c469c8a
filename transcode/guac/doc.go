// Package guac draws session recordings. It reads the Guacamole protocol and
// produces sound, and frames with their damage and timestamps. It reads from
// readers only, and does not depend on files, ffmpeg or JumpServer.
//
// # From bytes to frames
//
// A [Parser] splits a dump into instructions. [Scan] reads a part once without
// drawing: size, timestamps, hash, whether there is sound. [NewTimeline] places the
// parts of a recording on one time axis. [Play] draws: one goroutine reads ahead
// and collects the instructions between two syncs, a pool decodes images, and one
// goroutine draws in order and passes frames to a [Sink].
//
// # Time
//
// Time advances only at sync; timestamps of mouse instructions are unreliable. The
// picture at video time t is the display as of the last sync at or before t, within
// a slot of 1/FPS: the last state of a slot wins. A slot begins with the sync that
// follows the one shown last. So no picture is older than a slot, and no frame
// comes sooner than necessary.
//
// There are frames only when something has changed. In addition, a frame is
// repeated so that players can seek: every 10 s, or more rarely for days of idling
// on a large display. What is drawn after the last sync is shown in the final
// frame.
//
// # The display
//
// Layers, buffers, masks, transfer functions, paths and the pointer follow
// guacamole-common-js 1.5.0 as Chromium shows it, not guacenc; `make reference`
// takes its pictures and the tests compare ours with them. Some consequences are
// not obvious:
//   - siblings are ordered by ascending z, then by their creation; a parent's own
//
// pixels are at z −1;
//   - a layer fades with all layers on it as one picture, and is distorted around
//
// its centre;
//   - masks 0x1, 0x4, 0x8, 0x9 and 0xC clear the rest of the layer, within its
//
// clip, and guacd relies on it; for an unknown mask the previous one is used;
//   - the sides of canvases are multiples of 64 pixels and extend beyond the layer's
//
// edge, where drawing has an effect; a pattern repeats the canvas;
//   - a buffer that grows to fit a drawing forgets path, clip and transform;
//   - a path can be painted again until the next segment begins a new one;
//   - coordinates are whole numbers, fractions are cut off.
//
// Deliberate differences from guacamole-common-js:
//   - element lengths count code points, as servers write them, not UTF-16 units;
//   - drawing after the last sync is shown in the final frame instead of being lost;
//   - an image is drawn with the mask of its own img instruction. In the browser,
//
// streams interfere: it uses the mask that the layer has when the image ends;
//   - an image that cannot be decoded is skipped, where the browser waits forever;
//   - a pattern without pixels, an arc of negative radius and a layer put on itself
//
// are skipped, where the browser drops the rest of the frame;
//   - lstroke works; in guacamole-common-js 1.5.0 it fails in every case;
//   - the pointer is above all layers, because auditors want to see it; the browser
//
// hides it behind layers of z > 0;
//   - a new layer has the display's size at that instruction, not that of the last
//
// sync: servers send a size at once;
//   - rectangles of a copy or transfer with a negative width or height are empty;
//   - an argument that is not a number is 0, where the browser ignores the instruction;
//   - the browser's flatten() neither clips layers to their parents nor distorts them,
//
// and fades them one by one; we follow what it shows on the screen;
//   - anti-aliased edges, curves, and scaled or semi-transparent images are rounded
//
// differently: each script in testdata/reference states the tolerance.
//
// # Untrusted input
//
// Recordings come from sessions that attackers may control. [Limits] bound sizes,
// counts, bytes and time. An image's header is checked before it is decoded.
// Instructions that cannot be executed are skipped, counted, and reported in
// [Stats]. The total work is limited in proportion to the stored bytes, to the
// display and to the length ([ErrTooCostly]): an instruction of forty bytes can
// cause as much work as a second of a session.
package guac

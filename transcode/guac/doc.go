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
// slot of 1/FPS: the last state of a slot wins. Frames come only when something
// has changed, and a repetition now and then so that players can seek. What is
// drawn after the last sync is shown in the final frame.
//
// # The display
//
// Layers, buffers, masks, transfer functions, paths and the pointer follow
// guacamole-common-js, not guacenc: siblings lie by ascending z, a copy within a
// layer works as through another canvas, buffers grow to fit, a finished path
// can be painted again until the next segment begins a new one.
//
// Deliberate differences from guacamole-common-js:
//   - element lengths count code points, as servers write them, not UTF-16 units;
//   - drawing after the last sync is shown rather than lost;
//   - masks work within the shape that is drawn; a canvas clears what lies
//     outside it for some of them, which no server relies on;
//   - an unknown mask draws as over.
//
// # Untrusted input
//
// Recordings come from sessions that attackers may control. [Limits] bound
// sizes, counts, bytes and time; an image's header is checked before it is
// decoded; instructions that cannot be obeyed are skipped, counted, and told in
// [Stats].
package guac

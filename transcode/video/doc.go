// Package video turns frames and sound into an MP4 by way of ffmpeg, and
// proves that the MP4 is good. It knows nothing of Guacamole.
//
// # Encoding
//
// [Tool.Start] runs one ffmpeg that reads Matroska from a pipe: raw pictures
// with true millisecond timestamps and, when there is sound, PCM beside them.
// Only the damaged parts of a frame are converted to YUV; the planes are kept
// from frame to frame. The result is H.264 High, yuv420p, with the index in
// front, which plays in every browser.
//
// # Verifying
//
// While encoding, the [Encoder] keeps the brightness of a dozen frames spread
// over the video. [Tool.Verify] decodes the whole file, counts frames, and
// compares those of the dozen with what was given to the encoder: a wrong,
// black or shifted picture is a [VerifyError].
//
// # The child process
//
// ffmpeg sees pipes and one file of ours, runs in its own process group with
// a minimal environment, is killed with its group when the context ends or
// when the agent dies, and its last words are part of the error.
package video

// Package video turns frames and sound into an MP4 by way of ffmpeg, and
// proves that the MP4 is good. It knows nothing of Guacamole.
//
// # Encoding
//
// Frames become H.264 in one of two ways. Those that differ much from the last
// go as raw pictures with true millisecond timestamps, in Matroska, through a
// pipe to an ffmpeg with x264. Those that differ little, two thirds of a
// session, are written by package h264 as differences, which costs next to
// nothing; both are joined to one stream in a file. Once a place rests, what such
// differences have left there is removed, in a picture of its own if there is no other. Other codecs, and
// [Options.Plain], encode every frame ([plainTrack]).
//
// Only the damaged parts of a frame are converted to YUV. Sound goes to an
// ffmpeg of its own. At the end a third one joins pictures, sound, chapters
// (one for each period of activity) and a poster to an MP4 with its index in
// front: H.264 High, yuv420p, which plays in every browser.
//
// # Verifying
//
// While encoding, the [Encoder] keeps the brightness of a dozen frames spread
// over the video. [Encoder.Close] has all pictures decoded and compares those of
// the dozen with what was given to it; [Tool.Verify] counts frames and shows that
// the file holds the very pictures that were decoded, or decodes it itself: a
// wrong, black or shifted picture is a [VerifyError].
//
// # The child process
//
// ffmpeg sees pipes and files of ours, runs in its own process group with
// a minimal environment, is killed with its group when the context ends or
// when the agent dies, and its last words are part of the error. One that
// neither takes what it is offered nor uses the processor is given up after
// five to ten seconds.
package video

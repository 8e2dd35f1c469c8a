// Package video encodes frames and sound to an MP4 with ffmpeg, and verifies the MP4.
// It does not depend on Guacamole.
//
// # Encoding
//
// There are two ways to encode a frame as H.264. A frame with large changes is sent
// to ffmpeg with x264: as a raw picture with a timestamp in milliseconds, in
// Matroska, through a pipe. A [lookahead] finds out how long its parts stay, and a
// [quantizer] chooses the quality of each; [guidedX264] tells x264. A frame with small
// changes is written by package h264 as a delta picture, which costs almost no CPU
// time. Between a third and four fifths of a session's frames are of that kind. Both
// kinds are merged into one stream in a file.
//
// Delta pictures leave faint ghosts. They are removed once that part of the screen
// has not changed for a second. If no frame is due then, an additional picture is
// encoded. Other codecs, and [Options.Plain], encode every frame with ffmpeg
// ([plainTrack]).
//
// Only the damaged parts of a frame are converted to YUV. Another ffmpeg encodes
// sound. At the end a third one muxes pictures, sound, chapters and a poster into an
// MP4. There is a chapter for each period of activity. The moov box is at the start
// of the file. The video is H.264 High, yuv420p, which plays in every browser.
//
// # Verifying
//
// While encoding, the [Encoder] keeps the luma of a dozen frames from the whole
// video. [Encoder.Close] decodes all pictures and compares those of the dozen frames.
// [Tool.Verify] counts frames and checks that the file contains exactly the pictures
// that were decoded, or decodes the file itself. A wrong, black or shifted picture is
// a [VerifyError].
//
// # The child process
//
// ffmpeg reads and writes only our pipes and files. It has its own process group and
// a minimal environment. The group is killed when the context ends or when the agent
// dies. Errors contain the end of ffmpeg's stderr. An ffmpeg that neither reads its
// input nor uses CPU time is killed after five to ten seconds.
package video

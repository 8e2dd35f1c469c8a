// Package h264 encodes pictures in which little changes, and merges them with x264's
// pictures into one stream.
//
// Most frames of a recording differ from the previous one by a cursor or a few
// letters. For an unchanged 1080p picture x264 needs 5 ms with any settings, and
// twice as much with the transfer to ffmpeg. A recording has thousands of such
// pictures. A delta picture costs some bytes, and its CPU time depends only on what
// has changed.
//
// # How it works
//
// A delta picture is a P slice without motion (ITU-T H.264). Each macroblock is
// skipped, or is the same macroblock of the reference picture plus a residual. The
// reference picture is x264's last picture or the last delta picture, whichever is
// later. The last delta is a long-term reference (memory management, clause 8.2.5.4).
// So it does not change x264's own list of references.
//
// The decoded picture of x264 need not be known. The residual is the difference
// between two source pictures, so x264's coding error stays and the quantization
// error of the residual is added. The quantization error is known exactly. The next
// delta starts from the reconstructed picture and can correct that error.
//
// x264's slice data is copied unchanged. [Stream] rewrites headers only. It adds one
// reference picture to the SPS. It writes a picture order count, and a frame_num that
// counts delta pictures as well. Delta pictures are coded with CAVLC, x264's with
// CABAC, so each kind has its own PPS.
//
// [Stream] accepts only progressive 8-bit 4:2:0 Main or High profile with one slice
// per picture, without B pictures and without weighted prediction. Any other stream
// is [ErrUnexpected].
package h264

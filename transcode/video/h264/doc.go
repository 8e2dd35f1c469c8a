// Package h264 writes the pictures of a video in which little changes, and
// joins them with those of x264.
//
// Most frames of a session's recording differ from the one before by a cursor
// or a few letters. For a 1080p picture that stays as it is x264 needs 5 ms
// whatever its settings, twice as much with the way there; such pictures are
// thousands in a recording. A [Delta] says "as the last picture of x264, but
// add this here" in some bytes, at a cost that follows from what changed.
//
// # How
//
// A delta picture is a P slice without motion (ITU-T H.264): each macroblock
// is skipped, or is that of the last picture of x264 plus a residual, which is
// the difference between the two sources. What x264 made of its source need
// not be known: its error stays, that of the residual's quantisation is added,
// and the next delta starts from x264's picture again. No picture refers to a
// delta, so x264 never learns of them.
//
// x264's pictures are taken as they are, but for the picture order count:
// without B pictures x264 has it follow from frame_num, which allows no two
// pictures in a row that are not referred to. [Stream] writes it into SPS and
// slice headers. Residuals are coded with CAVLC, x264's pictures with CABAC:
// each kind has its own picture parameter set.
//
// Only x264's stream of progressive 8-bit 4:2:0 High pictures of one slice,
// without B pictures and weighted prediction, is understood; anything else is
// [ErrUnexpected].
package h264

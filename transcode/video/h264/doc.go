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
// is skipped, or is that of the picture before plus a residual. The picture
// before is x264's last one, and then the last delta, which is kept apart from
// x264's references as a long-term one (memory management, clause 8.2.5.4), so
// that x264 never learns of it.
//
// What x264 made of its source need not be known: the residual is the
// difference between two sources, so that x264's error stays and that of the
// residual's quantisation is added. A delta's own result is known exactly; the
// next one starts from it, and what the first quantised away the next can mend.
//
// x264's pictures are taken as they are, but for what says where they stand:
// [Stream] makes room for one more reference in the SPS, and writes the
// picture order count and a frame_num that counts the deltas, too. Residuals
// are coded with CAVLC, x264's pictures with CABAC: each kind has its own
// picture parameter set.
//
// Only x264's stream of progressive 8-bit 4:2:0 High pictures of one slice,
// without B pictures and weighted prediction, is understood; anything else is
// [ErrUnexpected].
package h264

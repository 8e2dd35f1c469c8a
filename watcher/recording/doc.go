// Package recording knows what a session recording looks like on disk: its
// names, its layouts, what kind of content it is, and how to read its parts.
//
// # Layouts
//
// Below core's replay folder, D being the session's start date in UTC and S
// its id:
//
//	D/S.replay.gz                 one file (Lion up to v4.1, Razor)
//	D/S.guac, D/S                 a dump as Razor or xrdp had it
//	D/S/S.replay.json             the index of a recording in parts (Lion from v4.2)
//	D/S/S.N.part.gz               part N, a stand-alone dump
//	D/S.replay.mp4                the video
//
// [ParseName] tells what a name stands for, [Open] opens a recording of any
// layout, including loose files and the .tar of JumpServer's download.
//
// # Untrusted input
//
// Recordings and their indexes come from sessions that attackers may control.
// Names inside an index or a tar select among the files that are there; they
// never become paths. Indexes and tars are bounded in size and count.
package recording

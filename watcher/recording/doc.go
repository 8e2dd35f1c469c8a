// Package recording knows how session recordings are stored: their names, layouts
// and kinds of content, and how to read their parts.
//
// # Layouts
//
// Below core's replay folder, with D the session's start date in UTC and S its id:
//
//	D/S.replay.gz                 one file (Lion up to v4.1, Razor)
//	D/S.guac, D/S                 a dump as Razor or xrdp had it
//	D/S/S.replay.json             the index of a recording in parts (Lion from v4.2)
//	D/S/S.N.part.gz               part N, a stand-alone dump
//	D/S.replay.mp4                the video
//
// [ParseName] returns the class of a name, [Open] opens a recording of any layout,
// including loose files and the .tar of JumpServer's download.
//
// # Untrusted input
//
// Recordings and their indexes come from sessions that attackers may control. Names
// inside an index or a tar only select among existing files; they never become
// paths. Indexes and tars are limited in size and count.
package recording

// Package upload takes recordings over HTTP as Lion and Razor send them to
// Video-Worker, and keeps them in a spool until they have been converted.
//
// # The API
//
//	GET  /api/v1/users/profile/                        v3 login: answers a cookie
//	GET  /ws/events/                                   v3 event channel, kept open
//	POST /api/v2/replay/sessions/{session}/task/       v3: multipart with the recording; v4: JSON
//	POST /api/v2/replay/sessions/{task}/task/upload/{i}  v4: one part, by its place in the list
//
// Lion deletes its own copy after the last good answer and uploads to core's
// storage after any other. So an answer is good only when the bytes are on
// disk, agree with their checksum, and the task is recorded; everything else
// is a clean refusal, always in JSON.
//
// Core says who may upload (see [Auth]) and of which sessions (see [Admit]).
// What a client can make large or many has bounds, before core is asked as well
// as after: connections, questions, announcements, and what describes uploads.
//
// # The spool
//
// Each upload has a folder named by its task id. task.json says what is
// expected and, written last, that all of it is there; index.json, with a
// recording in parts, is what the client says of them. Files take their names
// only when they are complete. A folder that is not complete after a day is
// dropped: the client has long used its fallback.
//
// Names in requests are compared, never used as paths.
package upload

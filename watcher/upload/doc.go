// Package upload accepts recordings over HTTP as Lion and Razor send them to
// Video-Worker, and keeps them in a spool until they have been converted.
//
// # The API
//
//	GET  /api/v1/users/profile/                        v3 login: returns a cookie
//	GET  /ws/events/                                   v3 event channel, kept open
//	POST /api/v2/replay/sessions/{session}/task/       v3: multipart with the recording; v4: JSON
//	POST /api/v2/replay/sessions/{task}/task/upload/{i}  v4: one part, by its index in the list
//
// Lion deletes its own copy after the last successful response, and uploads to
// core's storage after any other. So a response is successful only if the bytes are
// on disk, match their checksum, and the task is recorded. All other requests are
// refused cleanly, always in JSON.
//
// Core decides who may upload (see [Auth]) and for which sessions (see [Admit]).
// Whatever a client can make large or numerous is limited, before core is asked and
// after: connections, requests to core, announcements, and the description of
// uploads.
//
// # The spool
//
// Each upload has a folder named by its task id. task.json describes what is
// expected and, as its last change, that everything is complete. For a recording in
// parts, index.json is the client's description of them. Files get their names only
// when they are complete. A folder that is not complete after a day is deleted: the
// client has used its fallback long before.
//
// Names in requests are compared, never used as paths.
package upload

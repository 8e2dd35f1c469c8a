// Package ledger keeps what an agent has done about recordings in a file that
// shows every later change: one signed line for each replacement of a recording
// by an MP4, and for what happened to the two afterwards.
//
// # The file
//
// DATA_DIR/ledger/ledger.jsonl has one JSON object a line, an [Entry] with two
// more fields at its end:
//
//	{"seq":2,…,"prev":"HEX","sig":"BASE64"}
//
// prev is the SHA-256 of the line before, without its newline; 64 zeros in the
// first line. sig is the Ed25519 signature of the line without the text
// ,"sig":"…" in it. Because each line holds the hash of the line before, its
// signature covers all lines before it: [Audit] hashes every line, and checks
// few signatures.
//
// A line of the kind [KindOpened] begins a section. An agent that starts
// continues the last section if that verifies with the agent's own key, and
// else begins another, so that it never signs for what it cannot verify.
//
// # Keys
//
// The private key is made once, in DATA_DIR/keys/ledger.key (PKCS #8, PEM, for
// its owner only). The public part is a line of DATA_DIR/ledger/ledger.pub:
//
//	jumpserver-video-ledger-key BASE64 AGENT
//
// BASE64 is the key as a PEM file of it has it (SubjectPublicKeyInfo, DER).
//
// # What can go wrong
//
// A last line that a crash has left incomplete is moved to a file of its own
// beside the ledger, and an entry says so ([KindRecovered]). Anything else that
// does not verify stays as it is, is told by [Ledger.Trouble] and in the log,
// and a new section begins: a damaged ledger never keeps recordings from being
// converted. A ledger that cannot be written does: [Ledger.Append] returns the
// error, and whoever is about to remove an original should not.
package ledger

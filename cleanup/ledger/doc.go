// Package ledger records what an agent has done with recordings, in a file in which
// every later change can be detected. It has one signed line for each replacement
// of a recording by an MP4, and for what happened to the two afterwards.
//
// # The file
//
// DATA_DIR/ledger/ledger.jsonl has one JSON object per line, an [Entry] with two
// more fields at its end:
//
//	{"seq":2,…,"prev":"HEX","sig":"BASE64"}
//
// prev is the SHA-256 of the previous line, without its newline; 64 zeros in the
// first line. sig is the Ed25519 signature of the line without the text ,"sig":"…"
// in it. Because each line contains the hash of the previous line, its signature
// covers all earlier lines: [Audit] hashes every line, and checks few signatures.
//
// A line of the kind [KindOpened] begins a section. When an agent starts, it
// continues the last section if that verifies with the agent's own key. Otherwise
// it begins a new section, so that it never signs for lines that it cannot verify.
//
// # Keys
//
// The private key is created once, in DATA_DIR/keys/ledger.key (PKCS #8, PEM, for
// its owner only). The public part is a line of DATA_DIR/ledger/ledger.pub:
//
//	jumpserver-video-ledger-key BASE64 AGENT
//
// BASE64 is the same text as in a PEM file of the key (SubjectPublicKeyInfo, DER).
//
// # What can go wrong
//
// If a crash left an incomplete last line, it is moved to a file of its own beside
// the ledger, and an entry says so ([KindRecovered]). Everything else that does not
// verify stays as it is. [Ledger.Trouble] and the log report it, and a new section
// begins: a damaged ledger never keeps recordings from being converted.
//
// A ledger that cannot be written does: [Ledger.Append] returns the error, and the
// caller must then not remove the original.
package ledger

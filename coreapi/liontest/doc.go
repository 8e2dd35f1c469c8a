// Package liontest simulates Lion as far as the worker is concerned: a client that
// sends its recordings to the worker when sessions end, and to core if the worker
// does not take them. It follows the sources of each [Era], including their bugs:
// fields in random order, parts in the order of their names, Go's field names in
// JSON, files that are sent again at the next start.
//
// It is for tests and for the load test. The real Lion has no time limit on
// uploads; here the context is one.
package liontest

// Package liontest is Lion as the worker meets it: a client that hands its
// recordings over when sessions end and falls back to core when it cannot. It
// follows the sources of each [Era], with their mistakes: fields in random
// order, parts in the order of their names, Go's field names in JSON, files
// that are sent again at the next start.
//
// It is for tests and for the load test. The real Lion has no time limit on
// uploads; here the context is one.
package liontest

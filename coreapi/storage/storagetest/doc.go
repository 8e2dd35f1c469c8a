// Package storagetest is shared by the tests of replay storages: real servers,
// proxies that make requests fail, and the suite that every kind of storage must
// pass.
package storagetest

// Package storagetest has what the tests of replay storages share: real
// servers, proxies that spoil requests on their way, and the suite that every
// kind of storage must pass.
package storagetest

// Package open returns the storage of core's settings, whatever its kind.
package open

import (
	"errors"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/azure"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/obs"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/oss"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/s3"
)

// Storage returns the storage of settings whose target is a bucket; it connects at
// the first call. For settings that cannot work it returns storage.ErrConfig.
func Storage(c storage.Config, o storage.Options) (storage.Storage, error) {
	// Do not return directly: a nil *Bucket is not a nil Storage.
	var s storage.Storage
	var err error
	switch c.Kind {
	case storage.KindS3, storage.KindSwift, storage.KindCOS:
		s, err = s3.Open(c, o)
	case storage.KindOSS:
		s, err = oss.Open(c, o)
	case storage.KindOBS:
		s, err = obs.Open(c, o)
	case storage.KindAzure:
		s, err = azure.Open(c, o)
	default:
		err = &storage.Error{Op: "open", Place: c.Place(), Kind: storage.ErrConfig, Err: errors.New("it is not a bucket")}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/open"
)

// storage tries to list the bucket, if core's replay storage is one.
func (d *Doctor) storage(ctx context.Context, client *coreapi.Client) Finding {
	settings, err := client.TerminalConfig(ctx)
	if err != nil {
		return bad(Storage, i18n.T("doctor.fix_core_log"), i18n.T("doctor.no_terminal_config", "error", say(err)))
	}
	c, err := storage.Parse(settings.ReplayStorage)
	if err != nil {
		return bad(Storage, i18n.T("doctor.fix_storage_settings"), raw(err))
	}
	switch c.Target() {
	case storage.TargetNowhere:
		return bad(Storage, i18n.T("doctor.fix_null"), i18n.T("doctor.null"))
	case storage.TargetServer:
		return good(Storage, i18n.Raw(string(c.Kind)))
	}
	bucket, err := open.Storage(c, storage.Options{Region: d.Config.StorageRegion, UserAgent: d.UserAgent})
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, d.patience())
		defer cancel()
		_, err = bucket.List(ctx, storage.Query{Max: 1})
	}
	if err != nil {
		return d.bucketTrouble(c, err)
	}
	return good(Storage, i18n.T("doctor.bucket_ok", "place", c.Place()))
}

// bucketTrouble returns the most likely cause if a bucket cannot be listed.
func (d *Doctor) bucketTrouble(c storage.Config, err error) Finding {
	finding := func(fix, what string) Finding {
		return bad(Storage, i18n.T(fix), i18n.T(what, "place", c.Place(), "error", say(err)))
	}
	internal := c.Endpoint != nil && strings.Contains(c.Endpoint.Hostname(), "-internal.")
	switch {
	case errors.Is(err, storage.ErrEndpoint):
		return finding("doctor.fix_bucket_endpoint", "doctor.bucket_endpoint")
	case errors.Is(err, storage.ErrUnavailable) && internal:
		return finding("doctor.fix_bucket_internal", "doctor.bucket_internal")
	case errors.Is(err, storage.ErrRegion) && d.Config.StorageRegion != "":
		return bad(Storage, i18n.T("doctor.fix_bucket_region_set"), i18n.T("doctor.bucket_region_set", "place", c.Place(), "region", d.Config.StorageRegion, "error", say(err)))
	case errors.Is(err, storage.ErrRegion):
		return finding("doctor.fix_bucket_region", "doctor.bucket_region")
	case errors.Is(err, storage.ErrBucketName):
		return finding("doctor.fix_bucket_name", "doctor.bucket_name")
	case errors.Is(err, storage.ErrNoBucket):
		return finding("doctor.fix_bucket_missing", "doctor.bucket_missing")
	case errors.Is(err, storage.ErrCredentials):
		return finding("doctor.fix_bucket_key", "doctor.bucket_key")
	case errors.Is(err, storage.ErrForbidden):
		return finding("doctor.fix_bucket_rights", "doctor.bucket_rights")
	default:
		return finding("doctor.fix_bucket", "doctor.bucket_trouble")
	}
}

package storage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The kinds of failure, for errors.Is.
var (
	// ErrNotFound: there is no such object.
	ErrNotFound = errors.New("the storage has no such object")
	// ErrNoBucket: there is no such bucket.
	ErrNoBucket = errors.New("the storage has no such bucket: check its name in JumpServer's replay storage")
	// ErrCredentials: the keys are wrong.
	ErrCredentials = errors.New("the storage does not accept the access key: check the keys in JumpServer's replay storage")
	// ErrForbidden: the keys are valid, but may not do this.
	ErrForbidden = errors.New("the storage does not allow the access key to do this: it needs the rights to list, read, write and delete objects")
	// ErrClock: this host's clock and the server's differ too much for signatures.
	ErrClock = errors.New("the storage refuses the time of this host: synchronize its clock, for example by NTP")
	// ErrUnavailable: there was no response, or one that means "later".
	ErrUnavailable = errors.New("the storage cannot be reached or is temporarily unavailable")
	// ErrDamaged: bytes changed during the transfer or in the storage.
	ErrDamaged = errors.New("the storage holds other bytes than were sent")
	// ErrArchived: the object must be restored before it can be read.
	ErrArchived = errors.New("the object is archived: restore it in the storage's console")
	// ErrFull: the bucket's quota or the server's disk is full.
	ErrFull = errors.New("the storage is full: check its quota and disks")
	// ErrRegion: requests are signed for another region than the bucket's.
	ErrRegion = errors.New("the bucket belongs to another region than the one used")
	// ErrEndpoint: the provider serves the bucket at another of its addresses, and
	// names it. It is a kind of ErrRegion.
	ErrEndpoint = fmt.Errorf("%w: the bucket has another endpoint", ErrRegion)
	// ErrCertificate: the server's TLS certificate does not verify.
	ErrCertificate = errors.New("the storage's certificate is not trusted: install its authority on this machine")
	// ErrConfig: the settings cannot work.
	ErrConfig = errors.New("the settings of the storage cannot be used")
	// ErrBucketName: servers take no bucket of such a name. It is a kind of
	// ErrConfig.
	ErrBucketName = fmt.Errorf("%w: storages do not accept the bucket's name", ErrConfig)
	// ErrRefused: any other refusal.
	ErrRefused = errors.New("the storage refuses the request")
)

// Error says which call at which storage failed, and how.
type Error struct {
	Op    string // put, stat, get, list, delete, move
	Place string
	Key   string // or prefix
	Kind  error  // one of the above
	Err   error  // of the library; nil if Kind says everything
}

func (e *Error) Error() string {
	text := e.Op
	if e.Key != "" {
		text += " " + e.Key
	}
	text += " at " + e.Place + ": " + e.Kind.Error()
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	return text
}

// Unwrap returns both.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// Temporary reports whether the same call may succeed a moment later.
func Temporary(err error) bool {
	return (errors.Is(err, ErrUnavailable) || errors.Is(err, ErrDamaged)) && !errors.Is(err, context.Canceled)
}

// codes are the servers' error codes: S3's, most of which OSS and OBS use too, and
// Azure's.
var codes = map[string]error{
	"NoSuchKey": ErrNotFound, "NoSuchObject": ErrNotFound, "BlobNotFound": ErrNotFound, "ResourceNotFound": ErrNotFound,
	"NoSuchBucket": ErrNoBucket, "ContainerNotFound": ErrNoBucket, "ContainerBeingDeleted": ErrNoBucket,
	"InvalidAccessKeyId": ErrCredentials, "SignatureDoesNotMatch": ErrCredentials, "InvalidSecurity": ErrCredentials,
	"ExpiredToken": ErrCredentials, "InvalidToken": ErrCredentials, "XAdminUserNotFound": ErrCredentials, "AuthenticationFailed": ErrCredentials,
	"InvalidAuthenticationInfo": ErrCredentials, "NoAuthenticationInformation": ErrCredentials,
	"RequestTimeTooSkewed": ErrClock, "RequestExpired": ErrClock,
	"AccessDenied": ErrForbidden, "AllAccessDisabled": ErrForbidden, "AuthorizationFailure": ErrForbidden, "MethodNotAllowed": ErrForbidden,
	"AuthorizationPermissionMismatch": ErrForbidden, "InsufficientAccountPermissions": ErrForbidden, "AccountIsDisabled": ErrForbidden,
	"SlowDown": ErrUnavailable, "ServiceUnavailable": ErrUnavailable, "ServerBusy": ErrUnavailable, "InternalError": ErrUnavailable,
	"RequestTimeout": ErrUnavailable, "OperationTimedOut": ErrUnavailable, "Throttling": ErrUnavailable, "IncompleteBody": ErrUnavailable,
	"BadDigest": ErrDamaged, "InvalidDigest": ErrDamaged, "XAmzContentSHA256Mismatch": ErrDamaged, "Md5Mismatch": ErrDamaged, "Crc64Mismatch": ErrDamaged,
	"InvalidObjectState": ErrArchived, "BlobArchived": ErrArchived, "BlobBeingRehydrated": ErrArchived,
	"QuotaExceeded": ErrFull, "XMinioStorageFull": ErrFull, "InsufficientStorage": ErrFull, "EntityTooLarge": ErrRefused,
	"AuthorizationHeaderMalformed": ErrRegion, "PermanentRedirect": ErrRegion, "TemporaryRedirect": ErrRegion,
	"InvalidBucketName": ErrBucketName, "InvalidRegion": ErrRegion, "IllegalLocationConstraintException": ErrRegion,
}

// KindOf returns the kind of a server's response: by its code, or else by the HTTP
// status.
func KindOf(code string, status int) error {
	if kind, ok := codes[code]; ok {
		return kind
	}
	switch {
	case status == http.StatusNotFound:
		return ErrNotFound
	case status == http.StatusUnauthorized:
		return ErrCredentials
	case status == http.StatusForbidden, status == http.StatusMethodNotAllowed:
		return ErrForbidden
	case status == http.StatusMovedPermanently, status == http.StatusTemporaryRedirect:
		return ErrRegion
	case status == http.StatusInsufficientStorage:
		return ErrFull
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return ErrUnavailable
	default:
		return ErrRefused
	}
}

// KindOfSettings returns the kind of an error about settings that a library refuses
// before it sends a request: the bucket's name, or anything else.
func KindOfSettings(err error) error {
	if strings.HasPrefix(strings.ToLower(err.Error()), "bucket name") {
		return ErrBucketName
	}
	return ErrConfig
}

// KindOfTransport returns the kind of an error without a response.
func KindOfTransport(err error) error {
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown), errors.As(err, &hostname), errors.As(err, &invalid), errors.As(err, &verify):
		return ErrCertificate
	case errors.Is(err, context.Canceled), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return ErrUnavailable
	case KindOfSettings(err) == ErrBucketName: //nolint:errorlint // it is the kind itself
		return ErrBucketName
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return ErrConfig
	default:
		return ErrUnavailable
	}
}

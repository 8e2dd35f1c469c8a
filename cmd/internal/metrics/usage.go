package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

var (
	spoolBytesDesc     = describe("spool_bytes", "Size of the uploads in the spool by place: unfinished, waiting for an MP4, done (expire), kept (do not expire).", "place")
	spoolUploadsDesc   = describe("spool_uploads", "Uploads in the spool by place.", "place")
	trashBytesDesc     = describe("trash_bytes", "Size of the originals in the replay volume's trash by place: expiring, kept (do not expire).", "place")
	trashOriginalsDesc = describe("trash_originals", "Originals in the replay volume's trash by place.", "place")
	measuredDesc       = describe("usage_measured_timestamp_seconds", "When the spool or the trash was last measured.", "of")
)

// collectUsage sends measurements; those that do not exist yet are left out.
func (s *standing) collectUsage(send func(*prometheus.Desc, float64, ...string)) {
	if spool, at := s.Spool(); !at.IsZero() {
		for _, place := range upload.Places {
			send(spoolBytesDesc, float64(spool[place].Bytes), string(place))
			send(spoolUploadsDesc, float64(spool[place].Uploads), string(place))
		}
		send(measuredDesc, timestamp(at), "spool")
	}
	if s.Trash == nil {
		return
	}
	if trash, at := s.Trash(); !at.IsZero() {
		for place, usage := range map[string]cleanup.Usage{"expiring": trash.Expiring, "kept": trash.Kept} {
			send(trashBytesDesc, float64(usage.Bytes), place)
			send(trashOriginalsDesc, float64(usage.Originals), place)
		}
		send(measuredDesc, timestamp(at), "trash")
	}
}

package upload

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const (
	eventsProto = "JMS-Video-Worker"
	pinged      = 3 * time.Minute // clients send pings every 30 seconds
)

// login handles the login of v3 clients: the request is signed for this path
// itself.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	account, signed, err := s.Auth.signed(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	value, err := s.Auth.issue(signed)
	if err != nil {
		s.fail(w, r, fmt.Errorf("login: %w", err))
		return
	}
	s.Log.Info("a component has logged in", "account", account, "from", r.RemoteAddr)
	//nolint:gosec // Secure where there is TLS; many installations have none between components
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
		MaxAge: int(s.Auth.life.Seconds())})
	answer(w, http.StatusOK, map[string]any{"id": account, "is_service_account": true, "is_valid": true})
}

// events keeps a v3 client's channel open without sending anything. Clients log in
// again only when their channel has ended, so it ends while the cookie is still
// valid. Otherwise they would continue with an expired cookie.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if _, err := s.Auth.Caller(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		s.fail(w, r, refuse(http.StatusUpgradeRequired, "events come over a WebSocket"))
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{eventsProto}, InsecureSkipVerify: true})
	if err != nil {
		s.Log.Debug("event channel", "error", err)
		return
	}
	defer conn.CloseNow()
	life, cancel := context.WithTimeout(r.Context(), s.Auth.life/2)
	defer cancel()
	for {
		ctx, cancel := context.WithTimeout(life, pinged)
		_, data, err := conn.Read(ctx)
		cancel()
		if err != nil {
			return
		}
		if !strings.Contains(string(data), "ping") {
			s.Log.Debug("event", "from", r.RemoteAddr, "bytes", len(data))
		}
	}
}

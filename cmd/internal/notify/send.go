package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

const (
	dingTalkHost = "oapi.dingtalk.com"
	telegramHost = "api.telegram.org"
)

// client does not follow redirects, because they would send the token to other servers.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// post sends JSON, and decodes the response into answer unless that is nil.
func post(ctx context.Context, to string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Set("User-Agent", "jumpserver-video")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err = io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return err
	}
	if answer != nil && json.Unmarshal(data, answer) == nil {
		return nil
	}
	if response.StatusCode/100 != 2 || answer != nil {
		return fmt.Errorf("the server responded with %s", response.Status)
	}
	return nil
}

// webhook sends to a server that accepts a [Message] as JSON.
func (t *Target) webhook(u *url.URL) error {
	t.service, t.host = "webhook", u.Host
	to := u.String()
	t.deliver = func(ctx context.Context, m Message) error { return post(ctx, to, m, nil) }
	return nil
}

// dingTalk sends to the robot of a group. If there is a secret, requests are signed.
func (t *Target) dingTalk(token, secret string) error {
	if token == "" {
		return errors.New("dingtalk: the address has no access_token")
	}
	t.service = "dingtalk"
	t.deliver = func(ctx context.Context, m Message) error {
		values := url.Values{"access_token": {token}}
		if secret != "" {
			at := strconv.FormatInt(time.Now().UnixMilli(), 10)
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(at + "\n" + secret))
			values.Set("timestamp", at)
			values.Set("sign", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		}
		body := map[string]any{"msgtype": "text", "text": map[string]string{"content": m.text()}}
		var answer struct {
			Code    *int   `json:"errcode"`
			Message string `json:"errmsg"`
		}
		to := url.URL{Scheme: "https", Host: dingTalkHost, Path: "/robot/send", RawQuery: values.Encode()}
		if err := post(ctx, to.String(), body, &answer); err != nil {
			return err
		}
		if answer.Code == nil || *answer.Code != 0 {
			return fmt.Errorf("dingtalk refused the message: %s", cmp.Or(answer.Message, "its response has no errcode"))
		}
		return nil
	}
	return nil
}

// telegram sends as a bot: telegram://TOKEN@telegram?chats=ID,@channel. A host other
// than telegram is a Bot API server of one's own. The library's implementation is not
// used, because it reports a message as sent if the network fails.
func (t *Target) telegram(u *url.URL) error {
	id, secret := u.User.Username(), ""
	secret, _ = u.User.Password()
	chats := strings.FieldsFunc(cmp.Or(u.Query().Get("chats"), u.Query().Get("channels")), func(r rune) bool { return r == ',' })
	switch {
	case id == "" || secret == "":
		return errors.New("telegram: the address has no token; write telegram://123456:TOKEN@telegram?chats=ID")
	case len(chats) == 0:
		return errors.New("telegram: the address names no chats; add ?chats=ID or ?chats=@channel")
	}
	host := telegramHost
	if strings.ContainsAny(u.Host, ".:") {
		host = u.Host
		t.host = host
	}
	t.service = "telegram"
	to := url.URL{Scheme: "https", Host: host, Path: "/bot" + id + ":" + secret + "/sendMessage"}
	t.deliver = func(ctx context.Context, m Message) error {
		var errs []error
		for _, chat := range chats {
			body := map[string]any{"chat_id": chat, "text": m.text(), "link_preview_options": map[string]bool{"is_disabled": true}}
			var answer struct {
				OK          bool   `json:"ok"`
				Description string `json:"description"`
			}
			if err := post(ctx, to.String(), body, &answer); err != nil {
				return errors.Join(append(errs, err)...)
			}
			if !answer.OK {
				errs = append(errs, fmt.Errorf("telegram refused the message: %s", cmp.Or(answer.Description, "its response is not ok")))
			}
		}
		return errors.Join(errs...)
	}
	return nil
}

// library sends to any other service that shoutrrr supports.
func (t *Target) library(service string, u *url.URL) error {
	t.service, _, _ = strings.Cut(service, "+")
	if service == "smtp" || strings.HasPrefix(service, "generic") {
		t.host = u.Host
	}
	sender, err := shoutrrr.NewSender(log.New(io.Discard, "", 0), u.String())
	if err != nil {
		return err
	}
	// A Send of the library cannot be cancelled. [Target.Send] waits at most patience for
	// it, and starts no other before it has ended.
	sender.Timeout = 24 * time.Hour
	t.deliver = func(_ context.Context, m Message) error {
		text, params := m.text(), types.Params{}
		if service == "smtp" {
			text = m.Body
			params["subject"] = mime.BEncoding.Encode("utf-8", m.Title)
		}
		return errors.Join(sender.Send(text, &params)...)
	}
	return nil
}

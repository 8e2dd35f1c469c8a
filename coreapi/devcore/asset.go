package devcore

import "strings"

// Asset is a target that users connect to.
type Asset struct {
	ID, Name, Address string
	Inactive          bool
}

// AddAsset adds an asset, or replaces the one with that id.
func (c *Core) AddAsset(a Asset) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.assets[strings.ToLower(a.ID)] = a
}

// nameParties finds user and asset of a new session, and writes them in core's
// form. The caller must hold the lock.
func (c *Core) nameParties(s *Session, v version) *reply {
	if !v.checksNewSessions() {
		return nil
	}
	found := false
	for _, a := range c.accounts {
		if strings.EqualFold(a.id, s.UserID) && !a.disabled && !a.expired {
			s.User, found = a.name+"("+a.username+")", true
		}
	}
	if !found {
		a := invalid("user_id", "No user or invalid user")
		return &a
	}
	asset, known := c.assets[strings.ToLower(s.AssetID)]
	if !known || asset.Inactive {
		a := invalid("asset_id", "No asset or invalid asset")
		return &a
	}
	s.Asset = asset.Name + "(" + asset.Address + ")"
	return nil
}

// AccountID returns the id of the account with this username; "" if it does not exist.
func (c *Core) AccountID(username string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.accounts {
		if a.username == username {
			return a.id
		}
	}
	return ""
}

package demo

import "net/http"

func (s *Server) voiceCode() http.Handler { return http.NotFoundHandler() }

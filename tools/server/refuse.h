/* SPDX-License-Identifier: MIT */
#pragma once
#include "web.h"

/**
 * refuse_now:
 * Sends the answer that was set to @msg, of whose request only the headers have
 * come, and ends the connection.  libsoup itself would read the whole body
 * first.
 */
void refuse_now (SoupServerMessage *msg);

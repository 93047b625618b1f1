/** The service worker, or in Firefox the background page: the one module that takes the real browser. */

import { thisBrowser } from "./browser.js";
import { start } from "./main.js";

start(thisBrowser());

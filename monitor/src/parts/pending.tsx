/**
 * In the place of something that is not known yet. What comes after it on the page has its room already and is shown when this is gone, so that nothing moves under the reader's
 * eyes; or after two seconds, since no answer may hide the others for ever.
 */
export const Pending = () => <div className="pending" hidden />

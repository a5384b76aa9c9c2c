import { useEffect, useRef } from 'react'

type Props = { title: string; close: () => void; className?: string; children: React.ReactNode }

/** A dialog over the page; Escape and a click beside it close it. */
export const Dialog = ({ title, close, className = '', children }: Props) => {
  const ref = useRef<HTMLDialogElement>(null)
  useEffect(() => ref.current?.showModal(), [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the Escape key does what a click beside it does
    <dialog
      ref={ref}
      className={className}
      aria-label={title}
      onClose={close}
      onClick={(event) => event.target === ref.current && close()}
    >
      {children}
    </dialog>
  )
}
